"""Which planned clips enter a dataset, and in which split: decided once, in a fixed order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from yt360.clips import Stretch, hull, share_out
from yt360.shards.builder.cuts import ClipPlan
from yt360.shards.builder.inputs import InputVideo
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.staging import VideoPlan
from yt360.shards.format.schema import Rejection
from yt360.splits import SPLITS, Split, split_of


@dataclass(frozen=True)
class Admitted:
    """What of an input goes into the dataset.

    Attributes:
        item: The input.
        split: Where all its clips go.
        clips: Those that are not in a shard yet, in order of time.
        rejected: What does not go in, and why.
        fingerprint: Of the input.
    """

    item: InputVideo
    split: Split
    clips: tuple[ClipPlan, ...]
    rejected: tuple[Rejection, ...]
    fingerprint: str

    @property
    def keys(self) -> list[str]:
        """Keys of the clips."""
        return [self.item.clip_key(clip.start_s) for clip in self.clips]


def admit(
    items: Sequence[InputVideo],
    plans: Mapping[str, VideoPlan],
    tables: Mapping[Split, pa.Table],
    options: BuildOptions,
    videos: Sequence[InputVideo],
    groups: Mapping[str, str],
) -> list[Admitted]:
    """Decide about the clips of each input, in the order of the inputs.

    A video stays in the split that it is in; several files of one video share a split; and of clips
    of a video that overlap in time, the first one counts.

    Args:
        items: Inputs, sorted.
        plans: Plan of each, by its key.
        tables: Index of what is in shards already, by split.
        options: How the dataset is built.
        videos: All inputs, `items` among them: what those that are finished tell of the split of
            their group must count as it did before they were.
        groups: Video id -> group, of all inputs and of what is in shards.
    """
    packed = _PackedClips(tables)
    splits = _splits(videos, packed, options, groups)
    admitted = []
    for item in items:
        plan = plans[item.key]
        clips, there, overlapping = [], [], []
        for clip in plan.clips:
            if packed.has(item, clip.start_s):
                there.append(clip)
                continue
            other = packed.overlapping(item.video_id, clip.stretch)
            if other is None:
                packed.claim(item.video_id, clip.stretch)
                clips.append(clip)
            else:
                overlapping.append((clip, other))
        rejected = (*plan.rejected, *_overlaps(item, plan, [*there, *clips], overlapping))
        admitted.append(
            Admitted(item, splits[item.video_id], tuple(clips), rejected, plan.fingerprint)
        )
    return admitted


def _overlaps(
    item: InputVideo,
    plan: VideoPlan,
    kept: Sequence[ClipPlan],
    overlapping: Sequence[tuple[ClipPlan, int]],
) -> Iterator[Rejection]:
    """Yield a rejection for each clip that shares time with the one that starts at a second."""
    if not overlapping:
        return
    stretches = [clip.stretch for clip in kept] + [clip.stretch for clip, _ in overlapping]
    shares, _ = share_out(hull(stretches), stretches)
    for (clip, other), lost_s in zip(overlapping, shares[len(kept) :], strict=True):
        detail = f"{item.clip_key(other)} covers part of the same time"
        yield item.reject("overlap", detail, plan.fingerprint, clip.start_s, lost_s)


class _PackedClips:
    """Which times of which videos are taken."""

    def __init__(self, tables: Mapping[Split, pa.Table]) -> None:
        self.split_of_video: dict[str, Split] = {}
        self._taken: dict[str, list[Stretch]] = {}
        self._of_file: set[tuple[str, int, int]] = set()
        for split in SPLITS:
            names = ["video_id", "file_start_s", "start_s", "duration_s"]
            columns = tables[split].select(names).to_pydict()
            for video_id, file_start_s, start_s, duration_s in zip(*columns.values(), strict=True):
                self.split_of_video[video_id] = split
                self._of_file.add((video_id, file_start_s, start_s))
                self.claim(video_id, Stretch(start_s, duration_s))

    def has(self, item: InputVideo, start_s: int) -> bool:
        """Tell whether this very clip is in a shard (a killed build was packing its video)."""
        return (item.video_id, item.start_s, start_s) in self._of_file

    def claim(self, video_id: str, clip: Stretch) -> None:
        insort(self._taken.setdefault(video_id, []), clip)

    def overlapping(self, video_id: str, clip: Stretch) -> int | None:
        """Return the start of a taken clip that shares time with `clip`, or None."""
        taken = self._taken.get(video_id, [])
        after = bisect_left(taken, clip)
        for other in taken[max(after - 1, 0) : after + 1]:  # those taken do not overlap each other
            if other.start_s < clip.end_s and clip.start_s < other.end_s:
                return int(other.start_s)
        return None


def _splits(
    videos: Iterable[InputVideo],
    packed: _PackedClips,
    options: BuildOptions,
    groups: Mapping[str, str],
) -> dict[str, Split]:
    """Return the split of each video: the one it has, or else that of its group, or by hash."""
    splits: dict[str, Split] = dict(packed.split_of_video)
    for item in videos:
        if item.split is not None:
            splits.setdefault(item.video_id, item.split)
    split_of_group: dict[str, Split] = {}
    for video_id, split in splits.items():
        group = groups.get(video_id, video_id)
        # A group that is in both already goes on in test, where nothing was learned from it.
        split_of_group[group] = "test" if split_of_group.get(group) == "test" else split
    for item in videos:
        group = groups.get(item.video_id, item.video_id)
        split = split_of_group.get(group) or split_of(group, options.test_fraction)
        splits.setdefault(item.video_id, split)
    return splits
