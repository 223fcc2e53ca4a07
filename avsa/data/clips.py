"""A split of a dataset as a loader sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from yt360.clip_codec.format import ClipFormat
from yt360.errors import BadItem, UserError
from yt360.shards.format.schema import DatasetInfo
from yt360.untrusted.parsing import parse_json


class Clips(Protocol):
    """A split as a loader sees it: a `ShardReader`, or the clips of `avsa.data.remote`."""

    info: DatasetInfo

    @property
    def keys(self) -> Sequence[str]:
        """Key of each clip."""

    @property
    def durations_s(self) -> Sequence[float]:
        """Length of each clip."""

    def read(self, clip: int, member: str) -> memoryview:
        """Return a member of a clip; raises BadItem."""

    def will_read(self, clip: int, member: str) -> None:
        """Hear of a read ahead of time."""


class Course(Protocol):
    """Reading clips in the order of a plan."""

    def read(self, clip: int, member: str) -> memoryview:
        """Return a member of a clip; raises BadItem, or UserError after `close`."""

    def at_step(self, step: int) -> None:
        """Hear that all steps before this one are done with."""

    def close(self) -> None:
        """Hear that no more will be read; reads that wait end."""


@runtime_checkable
class FollowsPlan(Protocol):
    """Clips that are fetched ahead of use, in a known order (`avsa.data.remote.clips`)."""

    def follow(self, clips_of_step: Callable[[int], Iterable[int]], first_step: int) -> Course:
        """Fetch ahead of use what the steps from one on will read, on all ranks."""


@dataclass(frozen=True)
class _AtHand:
    """The course of clips that need not be fetched: any order will do."""

    read: Callable[[int, str], memoryview]

    def at_step(self, step: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def follow(clips: Clips, clips_of_step: Callable[[int], Iterable[int]], first_step: int) -> Course:
    """Return what reads the clips of steps, and let them be fetched ahead where they must be.

    Args:
        clips: The split.
        clips_of_step: Clips that a step reads, on all ranks; none past the end.
        first_step: The first step.

    Raises:
        UserError: One step alone reads more than can be held at a time.
    """
    if isinstance(clips, FollowsPlan):
        return clips.follow(clips_of_step, first_step)
    return _AtHand(clips.read)


def clips_form(info: DatasetInfo) -> ClipFormat:
    """Return how the clips of a dataset are stored.

    Raises:
        UserError: ``dataset.json`` does not say it.
    """
    try:
        return parse_json(json.dumps(info.options["form"]), ClipFormat)
    except (KeyError, ValueError) as error:
        raise UserError(f"dataset.json does not say how clips are stored ({error})") from None


def announce(clips: Clips, clip: int, member: str) -> None:
    """Tell of a read ahead of time, if the clip's shard is there."""
    try:
        clips.will_read(clip, member)
    except BadItem:
        return  # the read itself tells of it
