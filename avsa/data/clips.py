"""The interfaces through which a loader reads the clips of a split."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from yt360.clip_codec.format import ClipFormat
from yt360.errors import UserError
from yt360.shards.format.schema import DatasetInfo
from yt360.untrusted.parsing import parse_json


class Clips(Protocol):
    """The clips of a split: a `ShardReader`, or those of `avsa.data.remote`."""

    info: DatasetInfo

    @property
    def keys(self) -> Sequence[str]:
        """Key of each clip."""

    @property
    def durations_s(self) -> Sequence[float]:
        """Duration of each clip."""

    def read(self, clip: int, member: str) -> memoryview:
        """Return a member of a clip; raises BadItem."""

    def will_read(self, clip: int, member: str) -> None:
        """Announce a read, so that the system can load the bytes ahead."""


class ClipsInOrder(Protocol):
    """Reads clips in a known order."""

    def read(self, clip: int, member: str) -> memoryview:
        """Return a member of a clip; raises BadItem, or UserError after `close`."""

    def advance_to(self, step: int) -> None:
        """Say that all steps before this one are finished."""

    def close(self) -> None:
        """End reading; reads that wait raise UserError."""


@runtime_checkable
class FetchesAhead(Protocol):
    """Clips that are fetched ahead of use, in a known order (`avsa.data.remote.clips`)."""

    def read_in_order(
        self, clips_of_step: Callable[[int], Iterable[int]], first_step: int
    ) -> ClipsInOrder:
        """Start fetching what the steps from one on will read, on all ranks."""


@dataclass(frozen=True)
class _LocalClips:
    """Clips that need not be fetched: any order will do."""

    read: Callable[[int, str], memoryview]

    def advance_to(self, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def read_in_order(
    clips: Clips, clips_of_step: Callable[[int], Iterable[int]], first_step: int
) -> ClipsInOrder:
    """Return a reader of the clips of steps; remote clips are fetched ahead of it.

    Args:
        clips: The split.
        clips_of_step: Returns the clips that a step reads, on all ranks; none past the end.
        first_step: The first step.

    Raises:
        UserError: One step reads more shards than the cache holds.
    """
    if isinstance(clips, FetchesAhead):
        return clips.read_in_order(clips_of_step, first_step)
    return _LocalClips(clips.read)


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
