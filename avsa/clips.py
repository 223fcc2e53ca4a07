"""A split of a dataset as a loader sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from yt360.errors import BadItem, UserError
from yt360.media.form import ClipFormat
from yt360.shards.schema import DatasetInfo


class Clips(Protocol):
    """A split as a loader sees it: `yt360.shards.reader.ShardReader` or `avsa.remote`'s."""

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


@runtime_checkable
class FollowsPlan(Protocol):
    """Clips that have to be fetched, and want to know the order (`avsa.remote.RemoteClips`)."""

    def follow(self, clips_of_step: Callable[[int], Iterable[int]], first_step: int) -> None:
        """Fetch ahead of use what the steps from one on will read."""

    def at_step(self, step: int) -> None:
        """Hear that all steps before this one are done with."""


def clips_form(info: DatasetInfo) -> ClipFormat:
    """Return how the clips of a dataset are stored.

    Raises:
        UserError: ``dataset.json`` does not say it.
    """
    try:
        return ClipFormat(**info.options["form"])
    except (KeyError, TypeError) as error:
        raise UserError(f"dataset.json does not say how clips are stored ({error})") from None


def announce(clips: Clips, clip: int, member: str) -> None:
    """Tell of a read ahead of time, if the clip's shard is there."""
    try:
        clips.will_read(clip, member)
    except BadItem:
        return  # the read itself tells of it
