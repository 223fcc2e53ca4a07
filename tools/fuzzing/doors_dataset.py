"""Doors of datasets: the folder, its index, shards, labels and statistics."""

from __future__ import annotations

import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

from fuzzing.archives import mutate_tar, mutate_zip
from fuzzing.command import run_command
from fuzzing.door import Files, Refused, door_of
from fuzzing.material import dataset, written
from fuzzing.mutate import mutate_bytes, mutate_json, mutate_text
from fuzzing.tables import mutate_parquet

SHARD, LABEL_SHARD = "train/clips-000000.tar", "train/panoptic-000000.tar"
INDEX, STATS, SET = "train/index.parquet", "audio_stats.json", "labels-panoptic.json"


_door = partial(door_of, found=True)


class InlinePool:
    """Does the tasks in this process."""

    def __init__(self, workers: int = 1) -> None: ...

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def run(self, function: Callable[[Any], Any], tasks: deque[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each task and its result."""
        while tasks:
            task = tasks.popleft()
            yield task, function(task)


def _command(name: str) -> Callable[[Path], None]:
    return lambda folder: run_command("yt360", name, str(folder))


def _small(*names: str) -> Callable[[], Files]:
    return lambda: {name: content for name, content in dataset().items() if name in names}


def _read_description(folder: Path) -> None:
    from avsa.data.clips import clips_form
    from yt360.shards.format.dataset_info import DatasetInfo

    info = DatasetInfo.load(folder)
    _ = info.num_clips, info.covered_s, info.rejected_by_reason(), info.to_json()
    clips_form(info)


def _read_index(folder: Path) -> None:
    from yt360.errors import BadItem
    from yt360.shards.format.reader import ShardReader
    from yt360.shards.format.schema import CLIP_MEMBERS

    for split in ("train", "test"):
        methods: tuple[Literal["mmap", "pread"], ...] = ("mmap", "pread")
        for method in methods:
            reader = ShardReader(folder, split, method=method)
            _ = [*reader.keys], [*reader.video_ids], reader.durations_s, [*reader.rows]
            for clip in range(min(len(reader), 3)):
                for member in CLIP_MEMBERS:
                    try:
                        bytes(reader.read(clip, member))
                    except BadItem:
                        continue


def _read_shard(folder: Path) -> None:
    from yt360.shards.format.index import clip_rows, scan_shard

    for _ in scan_shard(folder / SHARD):
        pass
    clip_rows(folder / SHARD)


def _change_clip_json(draw: Random, content: bytes) -> bytes:
    """Change the ``.json`` of the clips of a shard, which stays whole otherwise."""
    import tarfile

    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old:
            inner = old.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.endswith(".json") and draw.random() < 0.7:
                inner = mutate_json(draw, inner)
            member.size = len(inner)
            new.addfile(member, io.BytesIO(inner))
    return out.getvalue()


def _check(folder: Path) -> None:
    from yt360.shards.check.dataset import check_dataset

    faults = list(check_dataset(folder, make_pool=InlinePool))
    if faults:
        raise Refused(faults[0][:200])


def _read_stats(folder: Path) -> None:
    from avsa.views.audio_statistics import load_statistics
    from avsa.views.spectrogram import AudioConfig

    load_statistics(folder, AudioConfig())


def _read_label_set(folder: Path) -> None:
    from yt360.labels.format.label_set import LabelSet, label_sets

    label_sets(folder)
    LabelSet.load(folder, "panoptic").check(folder)


def _read_labels(folder: Path) -> None:
    from yt360.labels.format.reader import LabelReader

    reader = LabelReader(folder, "train")
    for key in reader.keys:
        reader.read(key)


def _label_maps() -> Files:
    from yt360.labels.format.maps import encode_labels

    def write(folder: Path) -> None:
        import numpy as np

        maps = np.random.default_rng(0).integers(0, 135, (2, 8, 16)).astype(np.uint8)
        (folder / "maps.npz").write_bytes(encode_labels(maps))

    return written(write)


def _decode_maps(folder: Path) -> None:
    from yt360.labels.format.maps import decode_labels

    decode_labels((folder / "maps.npz").read_bytes())


def _change_npz(draw: Random, content: bytes) -> bytes:
    return mutate_zip(draw, content, lambda draw, _, inner: mutate_bytes(draw, inner))


def _mirror() -> Files:
    remote = {"url": "http://127.0.0.1:9/set", "cache_bytes": 1_000_000_000}
    return {**dataset(), "remote.json": json.dumps(remote).encode()}


def _read_mirror(folder: Path) -> None:
    from avsa.data.clips import open_clips
    from avsa.data.remote.mirror import address_of, dataset_folder

    os.environ["AVSA_CACHE"] = str(folder.parent)  # mirrors count nowhere else
    dataset_folder(folder, cache_gb=1.0)
    address_of(folder)
    open_clips(folder, "train").close()


def _read_clip(folder: Path) -> None:
    from yt360 import open_dataset, read_clip

    reader = open_dataset(folder)
    for key in reader.keys[:2]:
        read_clip(reader, key)


EVERYTHING = {
    "dataset.json": mutate_json,
    INDEX: mutate_parquet,
    SHARD: lambda draw, content: draw.choice((mutate_tar, _change_clip_json))(draw, content),
    LABEL_SHARD: mutate_tar,
    SET: mutate_json,
}


def _read_direction_labels(folder: Path) -> None:
    from yt360.shards.builder.direction_labels import part_of_clip, read_direction_labels

    part_of_clip(read_direction_labels(folder / "a.csv"), 0, 10)


def _direction_labels() -> Files:
    return {"a.csv": b"0,8,0,-31,4,182\n5,0,1,90,0,100\n105,8,0,-180,90,0\n"}


def _change_lines(draw: Random, content: bytes) -> bytes:
    if draw.random() < 0.1:
        return mutate_bytes(draw, content)
    return mutate_text(draw, content.decode()).encode(errors="surrogatepass")


def _read_directions(folder: Path) -> None:
    from yt360.shards.format.directions import parse_directions

    try:
        found = parse_directions((folder / "a.json").read_bytes())
    except ValueError as error:
        raise Refused(str(error)) from error
    if found is not None:
        found.at(0.5)


def _directions() -> Files:
    rows = [[0, 1, 3, 90.0, 0.0, None], [5, 8, 0, -31.0, 4.0, 1.82]]
    return {"a.json": json.dumps({"directions": {"frame_s": 0.1, "rows": rows}}).encode()}


DOORS = (
    _door("dataset.json", _read_description, _small("dataset.json"), {"dataset.json": mutate_json}),
    _door("index.parquet", _read_index, dataset, {INDEX: mutate_parquet}),
    _door("shard (tar)", _read_shard, _small(SHARD), {SHARD: mutate_tar}),
    _door("clip .json", _read_shard, _small(SHARD), {SHARD: _change_clip_json}),
    door_of(
        "directions of a clip",
        _read_directions,
        _directions,
        {"a.json": mutate_json},
        refusals=(Refused,),
    ),
    _door(
        "NAME.csv of directions",
        _read_direction_labels,
        _direction_labels,
        {"a.csv": _change_lines},
    ),
    _door("audio_stats.json", _read_stats, _small(STATS), {STATS: mutate_json}),
    _door("labels-NAME.json", _read_label_set, _small("dataset.json", SET), {SET: mutate_json}),
    _door("shard of labels", _read_labels, dataset, {LABEL_SHARD: mutate_tar}),
    door_of("label maps (.npz)", _decode_maps, _label_maps, {"maps.npz": _change_npz}),
    _door("remote.json", _read_mirror, _mirror, {"remote.json": mutate_json}),
    _door("yt360 check", _check, dataset, EVERYTHING, fraction=0.2),
    _door("yt360 index", _command("index"), dataset, EVERYTHING, fraction=0.2),
    _door("yt360 stats", _command("stats"), dataset, EVERYTHING, fraction=0.2),
    _door("yt360.read_clip", _read_clip, dataset, {SHARD: mutate_tar}, fraction=0.2),
)
