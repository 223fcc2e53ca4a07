"""The clips of a split, local or remote, of one dataset or several, in the order of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from avsa.data.joined_clips import (
    Indices,
    JoinedClips,
    held_out_videos,
    require_different,
    require_equal_forms,
)
from avsa.data.remote.clips import RemoteClips, RemoteClipsInOrder
from avsa.data.remote.mirror import is_mirror
from avsa.data.remote.shard_order import LOOKAHEAD_STEPS
from yt360.clip_codec.format import ClipFormat
from yt360.errors import UserError
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index_file import INDEX_SCHEMA
from yt360.shards.format.reader import ShardReader
from yt360.untrusted.parsing import parse_json

_VIDEO_COLUMNS = ("video_id", "shard")
_LOADED_COLUMNS = (
    *_VIDEO_COLUMNS, "start_s", "duration_s", "flac_offset", "flac_bytes", "mp4_offset", "mp4_bytes"
)  # fmt: skip


def open_clips(
    dataset: Path, split: str, columns: Sequence[str] = tuple(INDEX_SCHEMA.names)
) -> ShardReader:
    """Open a split of a dataset folder or of a mirror; close it after use.

    Args:
        dataset: The folder.
        split: ``"train"`` or ``"test"``.
        columns: Columns of the index to read.

    Raises:
        UserError: See `ShardReader`.
    """
    kind = RemoteClips if is_mirror(dataset) else ShardReader
    return kind(dataset, split, columns=columns)


def open_to_load(dataset: Path, split: str) -> ShardReader:
    """Open a split of which windows are loaded and no ``.json`` is read; see `open_clips`."""
    return open_clips(dataset, split, _LOADED_COLUMNS)


def open_video_ids(dataset: Path, split: str) -> ShardReader:
    """Open a split of which no clip is read; a mirror fetches nothing; see `open_clips`."""
    return ShardReader(dataset, split, columns=_VIDEO_COLUMNS)


Clips: TypeAlias = ShardReader | JoinedClips


def open_datasets(
    datasets: Sequence[Path],
    split: str,
    opener: Callable[[Path, str], ShardReader] = open_to_load,
) -> Clips:
    """Open a split of one or several datasets; close it after use.

    Of the split train of several datasets, clips are left out whose video is in the split test of
    another dataset (`avsa.data.joined_clips.held_out_videos`).

    Args:
        datasets: Dataset folders or mirrors.
        split: ``"train"`` or ``"test"``.
        opener: Opens the split of one dataset.

    Raises:
        UserError: A dataset is given twice or has no clips to train on, or clips have different
            formats; or see `ShardReader`.
    """
    if len(datasets) == 1:
        return opener(datasets[0], split)
    require_different(datasets)
    require_equal_forms(datasets, [clips_form(DatasetInfo.load(each)) for each in datasets])
    left_out = held_out_videos(datasets, split)
    with ExitStack() as opened:
        parts = [opened.enter_context(closing(opener(each, split))) for each in datasets]
        clips = JoinedClips(parts, left_out)
        if split == "train":
            _require_clips(clips)
        opened.pop_all()
    return clips


def _require_clips(clips: JoinedClips) -> None:
    for number, part in enumerate(clips.parts):
        if number not in clips.part_numbers:
            raise UserError(
                f"{part.dataset} has no clips to train on (those whose videos are in the split "
                "test of another dataset are left out); leave out this --data",
                code="empty",
                key="--data",
            )


def parts_of(clips: Clips) -> tuple[ShardReader, ...]:
    """Return the split of each dataset to which clips belong."""
    return clips.parts if isinstance(clips, JoinedClips) else (clips,)


def part_numbers(clips: Clips) -> Indices:
    """Return the dataset of each clip, counted from 0."""
    if isinstance(clips, JoinedClips):
        return clips.part_numbers
    return np.zeros(len(clips), dtype=np.int32)


def clip_format(clips: Clips) -> ClipFormat:
    """Return the format of clips; those of several datasets may be encoded differently.

    Raises:
        UserError: ``dataset.json`` does not contain it.
    """
    return clips_form(parts_of(clips)[0].info)


@dataclass(frozen=True)
class LocalClipsInOrder:
    """Local clips in a known order; see `RemoteClipsInOrder`."""

    def by_shard(self, clips: Sequence[int]) -> list[list[int]]:
        """Return all numbers of the list together, as all shards are present."""
        return [list(range(len(clips)))] if clips else []

    def present(self, clip: int) -> AbstractContextManager[None]:  # noqa: ARG002
        """Do nothing."""
        return nullcontext()

    def advance_to(self, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class JoinedClipsInOrder:
    """Clips of several datasets in a known order; see `RemoteClipsInOrder`.

    Args:
        clips: The split.
        orders: The clips of each dataset, in the order of training.
    """

    def __init__(
        self, clips: JoinedClips, orders: Sequence[LocalClipsInOrder | RemoteClipsInOrder]
    ) -> None:
        self._clips, self._orders = clips, tuple(orders)

    def by_shard(self, clips: Sequence[int]) -> list[list[int]]:
        """Return the numbers, in the list, of the clips that can be waited for together."""
        return [
            [places[place] for place in group]
            for number, places in self._clips.by_part(clips)
            for group in self._orders[number].by_shard(
                [int(self._clips.rows[clips[place]]) for place in places]
            )
        ]

    def present(self, clip: int) -> AbstractContextManager[None]:
        """Wait until the shard of a clip is here, and keep it while the block runs."""
        order = self._orders[self._clips.part_numbers[clip]]
        return order.present(int(self._clips.rows[clip]))

    def advance_to(self, step: int) -> None:
        """Mark all steps before this one as finished."""
        for order in self._orders:
            order.advance_to(step)

    def close(self) -> None:
        """Stop prefetching for this order."""
        for order in self._orders:
            order.close()


ClipsInOrder: TypeAlias = LocalClipsInOrder | RemoteClipsInOrder | JoinedClipsInOrder


def read_in_order(
    clips: Clips, clips_of_step: Callable[[int], Iterable[int]], first_step: int
) -> ClipsInOrder:
    """Return the clips of successive steps; remote clips are fetched ahead.

    Args:
        clips: The split.
        clips_of_step: Returns the clips that a step reads, on all ranks; none past the end.
        first_step: The first step.

    Raises:
        UserError: One step reads more shards than the cache holds.
    """
    if isinstance(clips, JoinedClips):
        orders = [
            _read_part(part, partial(_of_part, clips, number, clips_of_step), first_step)
            for number, part in enumerate(clips.parts)
        ]
        return JoinedClipsInOrder(clips, orders)
    return _read_part(clips, clips_of_step, first_step)


def _read_part(
    clips: ShardReader, clips_of_step: Callable[[int], Iterable[int]], first_step: int
) -> LocalClipsInOrder | RemoteClipsInOrder:
    if isinstance(clips, RemoteClips):
        return clips.read_in_order(clips_of_step, first_step)
    return LocalClipsInOrder()


def _of_part(
    clips: JoinedClips, number: int, clips_of_step: Callable[[int], Iterable[int]], step: int
) -> list[int]:
    """Return the rows that a step reads of one dataset; none past the end.

    For a step without a clip of the dataset, these are those of the next step with one: no clips
    would mean the end of the order.
    """
    for later in range(step, step + LOOKAHEAD_STEPS):
        chosen = np.fromiter(clips_of_step(later), dtype=np.int64)
        rows: list[int] = clips.rows[chosen[clips.part_numbers[chosen] == number]].tolist()
        if rows or not len(chosen):
            return rows
    return []


def clips_form(info: DatasetInfo) -> ClipFormat:
    """Return the format in which the clips of a dataset are stored.

    Raises:
        UserError: ``dataset.json`` does not contain it.
    """
    try:
        return parse_json(json.dumps(info.options["form"]), ClipFormat)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"dataset.json has no valid options.form, the format of clips ({error}); build the "
            "dataset again",
            key="options.form",
        ) from None
