"""Reading shards, without decoding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import webdataset

from benchmarks.case import Case, Ratio
from benchmarks.material import Material
from benchmarks.meters import Way
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader

INPUTS = 20
"""Reads of the whole shard in a run; each is short."""


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    yield reading_case(material)


def reading_case(material: Material) -> Case:
    """Read all clips of a shard."""
    clips, by_pread = material.clips, ShardReader(material.dataset, "train", method="pread")
    shard = material.dataset / "train" / clips.info.splits["train"].shards[0].name
    place = np.empty(4 << 20, np.uint8)

    def random_members(reader: ShardReader) -> Way:
        def read(number: int) -> None:
            for clip in keyed_generator("order", number).permutation(len(reader)).tolist():
                for member in ("mp4", "flac"):
                    content = reader.read(clip, member)
                    place[: len(content)] = content

        return read

    def sequential(_: int) -> None:
        with shard.open("rb", buffering=0) as file:
            while file.readinto(place[: 1 << 20].data):
                pass

    def by_webdataset(_: int) -> None:
        for _sample in webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False):
            pass

    return Case(
        "all clips of a shard",
        {
            "mmap, in random order": random_members(clips),
            "pread, in random order": random_members(by_pread),
            "read() of the shard, in order": sequential,
            "webdataset, in order": by_webdataset,
        },
        [
            Ratio("read() of the shard, in order", "mmap, in random order", at_least=0.8),
            Ratio("webdataset, in order", "mmap, in random order", higher_is_better=True),
        ],
        inputs=INPUTS,
    )
