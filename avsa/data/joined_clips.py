"""The clips of one split of several datasets, as if they were one dataset.

Clips follow each other dataset by dataset, each in the order of its index. The same video may be in
several datasets: it is one video, of which a batch has at most one clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avsa.data.mixture import Indices
from yt360.clip_codec.format import ClipFormat
from yt360.errors import UserError
from yt360.files import resolved
from yt360.shards.format.arrow_values import array_of, numbers_of
from yt360.shards.format.columns import TextColumn
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.shard_file import ClipLocation

# What clips of a batch must have in common; they may be encoded differently.
_EQUAL = ("width", "height", "fps", "sample_rate_hz")


class JoinedClips:
    """The clips of a split of several datasets.

    Args:
        parts: The split of each dataset; closed by `close`.
        left_out: Videos of each dataset whose clips are left out; by default none.

    Attributes:
        parts: The split of each dataset.
        split: Name of the split.
        part_numbers: Dataset of each clip, counted from 0.
        rows: Number of each clip in its dataset.
        shard_numbers: Shard of each clip, counted from 0 over all datasets.
    """

    def __init__(
        self, parts: Sequence[ShardReader], left_out: Sequence[Iterable[str]] = ()
    ) -> None:
        self.parts, self.split = tuple(parts), parts[0].split
        excluded = left_out or [()] * len(parts)
        kept = [_rows_without(part, each) for part, each in zip(parts, excluded, strict=True)]
        sizes = [len(rows) for rows in kept]
        self.part_numbers: Indices = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
        self.rows: Indices = np.concatenate(kept)
        shards = [int(part.shard_numbers.max(initial=-1)) + 1 for part in parts]
        first_shard = np.cumsum([0, *shards])[:-1]
        self.shard_numbers: Indices = self._joined(lambda part: part.shard_numbers)
        self.shard_numbers = self.shard_numbers + first_shard[self.part_numbers]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def keys(self) -> TextColumn:
        """Key of each clip; two datasets may have the same one."""
        return self._texts(lambda part: part.keys)

    @cached_property
    def video_ids(self) -> TextColumn:
        """Video of each clip."""
        return self._texts(lambda part: part.video_ids)

    @cached_property
    def durations_s(self) -> NDArray[np.float64]:
        """Length of each clip."""
        return self._joined(lambda part: part.durations_s)

    def locate(self, clips: Sequence[int]) -> list[ClipLocation]:
        """Return where some clips are stored, so that other processes can read them."""
        found: list[ClipLocation | None] = [None] * len(clips)
        for number, places in self.by_part(clips):
            part = [int(self.rows[clips[place]]) for place in places]
            for place, location in zip(places, self.parts[number].locate(part), strict=True):
                found[place] = location
        return [location for location in found if location is not None]

    def by_part(self, clips: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Return the numbers of datasets, each with the numbers, in the list, of its clips."""
        groups: dict[int, list[int]] = {}
        for place, number in enumerate(self.part_numbers[list(clips)].tolist()):
            groups.setdefault(number, []).append(place)
        return list(groups.items())

    def close(self) -> None:
        """Close all parts."""
        for part in self.parts:
            part.close()

    def _joined(self, values: Callable[[ShardReader], NDArray[Any]]) -> NDArray[Any]:
        """Return a number of each clip, from those of all clips of each part."""
        columns = [
            values(part)[self.rows[self.part_numbers == number]]
            for number, part in enumerate(self.parts)
        ]
        return np.concatenate(columns)

    def _texts(self, column: Callable[[ShardReader], TextColumn]) -> TextColumn:
        """Return a text of each clip, from those of all clips of each part."""
        columns = [
            column(part).select(self.rows[self.part_numbers == number])
            for number, part in enumerate(self.parts)
        ]
        return TextColumn(pa.chunked_array(columns))


def held_out_videos(datasets: Sequence[Path], split: str) -> list[frozenset[str]]:
    """Return, for each dataset, the videos of other datasets that must not be in its split.

    Training on a test video of another dataset would make its tests worthless: these videos are
    left out of the split train. The split test has all of its videos.
    """
    if split != "train" or len(datasets) == 1:
        return [frozenset()] * len(datasets)
    tested = [_videos_of(dataset, "test") for dataset in datasets]
    return [
        frozenset().union(*(videos for other, videos in enumerate(tested) if other != number))
        for number in range(len(datasets))
    ]


def left_out_notes(clips: JoinedClips) -> list[str]:
    """Return a note for each dataset some of whose clips are left out."""
    notes = []
    for number, part in enumerate(clips.parts):
        count = len(part) - int(np.count_nonzero(clips.part_numbers == number))
        if count:
            notes.append(
                f"{part.dataset}: {count} of {len(part)} training clips are left out, because "
                "their videos are in the split test of another dataset"
            )
    return notes


def require_equal_forms(datasets: Sequence[Path], forms: Sequence[ClipFormat]) -> None:
    """Check that the clips of datasets can be in one batch.

    Raises:
        UserError: Size, frame rate or sample rate differ.
    """
    first = asdict(forms[0])
    for dataset, form in zip(datasets, forms, strict=True):
        other = asdict(form)
        different = [name for name in _EQUAL if first[name] != other[name]]
        if different:
            values = "; ".join(
                f"{name} is {first[name]} in {datasets[0]} and {other[name]} in {dataset}"
                for name in different
            )
            raise UserError(
                f"clips of different formats cannot be trained on together: {values}; build one "
                "of the datasets again with the options of the other",
                code="conflict",
                key="--data",
            )


def require_different(datasets: Sequence[Path]) -> None:
    """Check that no dataset is given twice.

    Raises:
        UserError: One is.
    """
    seen: set[Path] = set()
    for dataset in datasets:
        if resolved(dataset) in seen:
            raise UserError(
                f"{dataset} is given twice; give each dataset once, and its weight by "
                "sampling.weights",
                code="conflict",
                key="--data",
            )
        seen.add(resolved(dataset))


def _videos_of(dataset: Path, split: str) -> frozenset[str]:
    with closing(ShardReader(dataset, split, columns=("video_id", "shard"))) as clips:
        return frozenset(clips.video_ids)


def _rows_without(part: ShardReader, videos: Iterable[str]) -> Indices:
    """Return the clips of a split that are not of some videos."""
    unwanted = array_of(sorted(videos), pa.string())
    found = pc.is_in(part.table.column("video_id"), value_set=unwanted)
    return np.flatnonzero(numbers_of(found.cast(pa.int32())) == 0).astype(np.int32)
