"""The test clips of a dataset as another dataset, with videos of other names."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from yt360.clips import clip_key
from yt360.shards.format.dataset_info import DatasetInfo, SplitInfo
from yt360.shards.format.index import rebuild_index
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import shard_name
from yt360.shards.format.writer import ShardWriter


def renamed_test_split(dataset: Path, folder: Path) -> Path:
    """Write the split test of a dataset to a new one, whose split train is empty.

    Video number n is called ``other-n``.
    """
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
    with (
        closing(ShardReader(dataset, "test")) as clips,
        ShardWriter(folder / "test" / shard_name(0)) as writer,
    ):
        names = {video: f"other-{n:02d}" for n, video in enumerate(dict.fromkeys(clips.video_ids))}
        for clip, video in enumerate(clips.video_ids):
            facts = json.loads(bytes(clips.read(clip, "json"))) | {"video_id": names[video]}
            members = {name: bytes(clips.read(clip, name)) for name in ("mp4", "flac")}
            members["json"] = json.dumps(facts).encode()
            writer.add(clip_key(names[video], facts["start_s"]), members)
    tested = SplitInfo(clips=len(clips), shards=(writer.info,))
    info = replace(DatasetInfo.load(dataset), splits={"train": SplitInfo(), "test": tested})
    info.save(folder)
    rebuild_index(folder)
    return folder
