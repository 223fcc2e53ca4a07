"""The clips of a split, local or remote, and reading them in the order of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

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
    """Reads local clips in a known order; see `RemoteClipsInOrder`."""

    read: Callable[[int, str], memoryview]

    def advance_to(self, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def read_in_order(
    clips: ShardReader, clips_of_step: Callable[[int], Iterable[int]], first_step: int
) -> LocalClipsInOrder | RemoteClipsInOrder:
    """Return a reader for the clips of successive steps; remote clips are fetched ahead.

    Args:
        clips: The split.
        clips_of_step: Returns the clips that a step reads, on all ranks; none past the end.
        first_step: The first step.

    Raises:
        UserError: One step reads more shards than the cache holds.
    """
    if isinstance(clips, RemoteClips):
        return clips.read_in_order(clips_of_step, first_step)
    return LocalClipsInOrder(clips.read)


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
