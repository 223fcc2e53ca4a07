"""Copies of the example dataset whose videos have given licences."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from helpers.paths import REPOSITORY
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index import rebuild_index
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import CLIP_MEMBERS
from yt360.shards.format.writer import ShardWriter
from yt360.splits import SPLITS

EXAMPLE = REPOSITORY / "shards"
YOUTUBE_CC = "Creative Commons Attribution license (reuse allowed)"


def licensed_dataset(folder: Path, licence_of: Callable[[str], str | None]) -> Path:
    """Copy the example dataset with a licence for each video, given its id."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("README.md"))
    info = DatasetInfo.load(folder)
    splits = {}
    for split in SPLITS:
        reader, shards = ShardReader(EXAMPLE, split), []
        for shard in info.splits[split].shards:
            with ShardWriter(folder / split / shard.name) as writer:
                for number, row in enumerate(reader.rows):
                    if row.shard == shard.name:
                        members = {m: bytes(reader.read(number, m)) for m in CLIP_MEMBERS}
                        facts = json.loads(members["json"])
                        facts["source"]["license"] = licence_of(row.video_id)
                        members["json"] = json.dumps(facts, sort_keys=True).encode()
                        writer.add(row.key, members)
            shards.append(writer.info)
        splits[split] = replace(info.splits[split], shards=tuple(shards))
    replace(info, splits=splits).save(folder)
    rebuild_index(folder)
    return folder
