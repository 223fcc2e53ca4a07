"""Select the clips that a build adds to a dataset, and their split, in a fixed order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from yt360.clips import TimeRange, allocate_time, hull
from yt360.shards.builder.clip_selection import SelectedClip
from yt360.shards.builder.inputs.input_video import InputVideo
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.splits.groups import assign_splits
from yt360.shards.builder.staging import InputAnalysis
from yt360.shards.format.dataset_info import Rejection
from yt360.splits import Split


@dataclass(frozen=True)
class NewClips:
    """The clips that an input adds to the dataset.

    Attributes:
        item: The input.
        split: The split of all its clips.
        clips: Its clips that are in no shard yet, in order of time.
        rejected: Parts that are not added, with the reason.
        fingerprint: Fingerprint of the input.
    """

    item: InputVideo
    split: Split
    clips: tuple[SelectedClip, ...]
    rejected: tuple[Rejection, ...]
    fingerprint: str

    @property
    def keys(self) -> list[str]:
        """Keys of the clips."""
        return [self.item.clip_key(clip.start_s) for clip in self.clips]


def find_new_clips(
    items: Sequence[InputVideo],
    analyses: Mapping[str, InputAnalysis],
    tables: Mapping[Split, pa.Table],
    options: BuildOptions,
    videos: Sequence[InputVideo],
    groups: Mapping[str, str],
) -> list[NewClips]:
    """Return the new clips of each input, in the order of the inputs.

    A video stays in its split, and all files of a video share a split. If clips of a video overlap
    in time, only the first is added.

    Args:
        items: The inputs to process, sorted.
        analyses: Analysis of each input, by key.
        tables: Index of the existing shards, by split.
        options: Build options.
        videos: All inputs, including finished ones, which may determine the split of a group.
        groups: Video id -> group, for all inputs and the existing shards.
    """
    used = _UsedTime(tables)
    splits = assign_splits(videos, used.split_of_video, groups, options.test_fraction)
    new = []
    for item in items:
        analysis = analyses[item.key]
        clips, present, overlapping = [], [], []
        for clip in analysis.clips:
            if used.has_clip(item, clip.start_s):
                present.append(clip)
                continue
            other = used.overlapping(item.video_id, clip.time_range)
            if other is None:
                used.add(item.video_id, clip.time_range)
                clips.append(clip)
            else:
                overlapping.append((clip, other))
        rejected = (
            *analysis.rejected,
            *_overlaps(item, analysis, [*present, *clips], overlapping),
        )
        new.append(
            NewClips(item, splits[item.video_id], tuple(clips), rejected, analysis.fingerprint)
        )
    return new


def _overlaps(
    item: InputVideo,
    analysis: InputAnalysis,
    kept: Sequence[SelectedClip],
    overlapping: Sequence[tuple[SelectedClip, int]],
) -> Iterator[Rejection]:
    """Yield a rejection for each (clip, start second of the clip that it overlaps)."""
    if not overlapping:
        return
    ranges = [clip.time_range for clip in kept] + [clip.time_range for clip, _ in overlapping]
    seconds, _ = allocate_time(hull(ranges), ranges)
    for (clip, other), lost_s in zip(overlapping, seconds[len(kept) :], strict=True):
        detail = f"{item.clip_key(other)} covers part of the same time"
        yield item.reject("overlap", detail, analysis.fingerprint, clip.start_s, lost_s)


class _UsedTime:
    """The time ranges of the clips of each video, in order of time."""

    def __init__(self, tables: Mapping[Split, pa.Table]) -> None:
        self.split_of_video: dict[str, Split] = {}
        self._ranges: dict[str, list[TimeRange]] = {}
        self._clips: set[tuple[str, int, int]] = set()
        for split, table in tables.items():
            columns = table.select(["video_id", "file_start_s", "start_s", "duration_s"])
            for video_id, file_start_s, start_s, duration_s in zip(
                *columns.to_pydict().values(), strict=True
            ):
                self.split_of_video[video_id] = split
                self._clips.add((video_id, file_start_s, start_s))
                self.add(video_id, TimeRange(start_s, duration_s))

    def has_clip(self, item: InputVideo, start_s: int) -> bool:
        """Return whether this clip is already in a shard, written by a killed build."""
        return (item.video_id, item.start_s, start_s) in self._clips

    def add(self, video_id: str, clip: TimeRange) -> None:
        insort(self._ranges.setdefault(video_id, []), clip)

    def overlapping(self, video_id: str, clip: TimeRange) -> int | None:
        """Return the start of a clip that overlaps this one, or None."""
        ranges = self._ranges.get(video_id, [])
        after = bisect_left(ranges, clip)
        for other in ranges[max(after - 1, 0) : after + 1]:  # they do not overlap each other
            if other.start_s < clip.end_s and clip.start_s < other.end_s:
                return int(other.start_s)
        return None
