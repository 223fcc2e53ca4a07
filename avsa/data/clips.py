"""The clips of a split, local or remote, in the order of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from avsa.data.remote.clips import RemoteClips, RemoteClipsInOrder
from avsa.data.remote.mirror import is_mirror
from yt360.clip_codec.format import ClipFormat
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import DatasetInfo
from yt360.untrusted.parsing import parse_json


def open_clips(dataset: Path, split: str) -> ShardReader:
    """Open a split of a dataset folder or of a mirror; close it after use.

    Raises:
        UserError: See `ShardReader`.
    """
    return (RemoteClips if is_mirror(dataset) else ShardReader)(dataset, split)


@dataclass(frozen=True)
class LocalClipsInOrder:
    """Local clips in a known order; see `RemoteClipsInOrder`."""

    keep_open = True

    def by_shard(self, clips: Sequence[int]) -> list[list[int]]:
        """Return all numbers of the list together, as all shards are present."""
        return [list(range(len(clips)))] if clips else []

    def present(self, clip: int) -> AbstractContextManager[None]:  # noqa: ARG002
        """Do nothing."""
        return nullcontext()

    def is_evicted(self, clip: int) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def advance_to(self, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


ClipsInOrder: TypeAlias = LocalClipsInOrder | RemoteClipsInOrder


def read_in_order(
    clips: ShardReader, clips_of_step: Callable[[int], Iterable[int]], first_step: int
) -> ClipsInOrder:
    """Return the clips of successive steps; remote clips are fetched ahead.

    Args:
        clips: The split.
        clips_of_step: Returns the clips that a step reads, on all ranks; none past the end.
        first_step: The first step.

    Raises:
        UserError: One step reads more shards than the cache holds.
    """
    if isinstance(clips, RemoteClips):
        return clips.read_in_order(clips_of_step, first_step)
    return LocalClipsInOrder()


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
