"""Select the clips of a file, and give a reason for each part that is in no clip.

Invariant: every second that both the video and the audio of a file cover is in exactly one clip, or
is lost for exactly one reason. Listed clips may overlap; a second that two of them share counts
for the first one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from yt360.clips import TimeRange, allocate_time, clip_starts, hull
from yt360.shards.format.dataset_info import REMAINDER, UNLISTED

LEVEL_FLOOR_DBFS = -200.0
"""Level that stands for digital silence."""
LEVEL_WINDOW_S = 1.0
REJECTED = "rejected-in-review"
"""Reason of clips and videos that people rejected."""


@dataclass(frozen=True)
class SelectedClip:
    """A clip to convert.

    Attributes:
        start_s: Start in seconds of the uploaded video.
        duration_s: Length in seconds.
        level_dbfs: RMS level of its W channel.
    """

    start_s: int
    duration_s: int | float
    level_dbfs: float

    @property
    def time_range(self) -> TimeRange:
        """Its time range in the uploaded video."""
        return TimeRange(self.start_s, self.duration_s)


@dataclass(frozen=True)
class LostTime:
    """Time that is in no clip, and the reason.

    Attributes:
        reason: Short slug to count by.
        detail: One sentence with the numbers behind it.
        start_s: Start in seconds of the uploaded video; None for the whole file.
        lost_s: Seconds that are in no clip for this reason.
    """

    reason: str
    detail: str
    start_s: int | None
    lost_s: float


@dataclass(frozen=True)
class ClipSelection:
    """The clips selected from a file.

    Attributes:
        clips: Clips in order of time; listed clips may overlap.
        lost: Time that is in no clip.
        covered_s: Seconds that both video and audio cover, plus those by which clips extend beyond.
    """

    clips: tuple[SelectedClip, ...]
    lost: tuple[LostTime, ...]
    covered_s: float


def select_clips(
    covered: TimeRange,
    listed: Sequence[TimeRange] | None,
    levels_dbfs: NDArray[np.float64],
    *,
    file_start_s: int = 0,
    clip_s: int,
    min_level_dbfs: float,
    slack_s: float = 0.0,
    rejected: Mapping[int | None, str | None] | None = None,
) -> ClipSelection:
    """Select the clips of a file.

    Args:
        covered: Time range that both video and audio cover, in seconds of the file.
        listed: The requested clips, in seconds of the uploaded video; None places clips end to end.
        levels_dbfs: RMS level of W in each window of `LEVEL_WINDOW_S` of the file; NaN where a
            sample is not finite.
        file_start_s: Second of the uploaded video at which the file starts.
        clip_s: Length of clips that are placed end to end.
        min_level_dbfs: Clips with a lower level are left out.
        slack_s: How far a clip may extend beyond either end of `covered`.
        rejected: What people rejected; see `yt360.shards.builder.inputs.input_video.ClipReview`.
    """
    wanted = _wanted(covered, listed, file_start_s, clip_s, slack_s)
    inside = [clip for clip in wanted if _is_covered(clip, covered, slack_s)]
    clips = [
        SelectedClip(
            int(clip.start_s) + file_start_s,
            clip.duration_s,
            clip_level(levels_dbfs, clip.start_s, clip.duration_s),
        )
        for clip in inside
    ]
    lost: list[tuple[LostTime, list[TimeRange]]] = []  # each with its time ranges
    for loss, part in _rejected(clips, rejected or {}):
        lost.append((loss, [clip.time_range for clip in part]))
        clips = [clip for clip in clips if clip not in part]
    kept = [clip for clip in clips if clip.level_dbfs >= min_level_dbfs]
    for clip in wanted:
        if clip not in inside:
            time_range = clip.shifted(file_start_s)
            start_s = int(time_range.start_s)
            lost.append(
                (LostTime("clip-outside", _describe_overlap(covered), start_s, 0), [time_range])
            )
    for reason, found in (
        ("silent", [clip for clip in clips if clip.level_dbfs < min_level_dbfs]),
        ("bad-samples", [clip for clip in clips if math.isnan(clip.level_dbfs)]),
    ):
        is_all = len(found) == len(clips)
        for run in _runs(found, is_all):
            detail = _describe_defect(run, min_level_dbfs)
            loss = LostTime(reason, detail, None if is_all else run[0].start_s, 0)
            lost.append((loss, [clip.time_range for clip in run]))

    whole = hull([covered, *inside]).shifted(file_start_s)
    ranges = [clip.time_range for clip in kept] + [each for _, part in lost for each in part]
    seconds, rest = allocate_time(whole, ranges)
    lost_s = iter(seconds[len(kept) :])
    losses = [replace(loss, lost_s=sum(next(lost_s) for _ in part)) for loss, part in lost]
    rest_s = sum(part.duration_s for part in rest)
    if not wanted and listed is None:
        detail = f"{_describe_overlap(covered)}, which is too short for a clip of {clip_s} s"
        losses.append(LostTime("too-short", detail, None, rest_s))
    elif rest:
        losses.append(_unlisted_time(rest, rest_s, listed is None))
    return ClipSelection(tuple(kept), tuple(losses), whole.duration_s)


def clip_level(levels: NDArray[np.float64], start_s: float, duration_s: float) -> float:
    """Return the level of a time range in dBFS from the levels of windows of `LEVEL_WINDOW_S`.

    Windows past the end of the audio count as silent. The result is at least `LEVEL_FLOOR_DBFS`,
    or NaN if the level of a window is NaN.

    Args:
        levels: Level of each window in dBFS (at least `LEVEL_FLOOR_DBFS`), from time 0.
        start_s: Start of the range, a multiple of the window.
        duration_s: Its length; windows that it overlaps in part count fully.
    """
    first = round(start_s / LEVEL_WINDOW_S)
    count = math.ceil(duration_s / LEVEL_WINDOW_S)
    power = np.sum(10.0 ** (levels[first : first + count] / 10.0)) / count
    floor = 10.0 ** (LEVEL_FLOOR_DBFS / 10.0)
    return float(10.0 * np.log10(np.maximum(power, floor)))


def _rejected(
    clips: Sequence[SelectedClip], rejected: Mapping[int | None, str | None]
) -> Iterator[tuple[LostTime, list[SelectedClip]]]:
    """Yield the clips that people rejected: one by one, or together with their video."""
    for clip in clips:
        text = rejected.get(clip.start_s)
        if text is not None:
            yield LostTime(REJECTED, text, clip.start_s, 0), [clip]
    others = [clip for clip in clips if clip.start_s not in rejected]
    text = rejected.get(None)
    if text is not None and others:
        is_all = len(others) == len(clips)
        for run in _runs(others, is_all):
            yield LostTime(REJECTED, text, None if is_all else run[0].start_s, 0), run


def _wanted(
    covered: TimeRange,
    listed: Sequence[TimeRange] | None,
    file_start_s: int,
    clip_s: int,
    slack_s: float,
) -> list[TimeRange]:
    """Return the wanted clips in seconds of the file, in order of time."""
    if listed is None:
        starts = clip_starts(covered.start_s, covered.end_s, clip_s, slack_s)
        return [TimeRange(start, clip_s) for start in starts]
    return sorted({clip.shifted(-file_start_s) for clip in listed})


def _is_covered(clip: TimeRange, covered: TimeRange, slack_s: float) -> bool:
    early, late = covered.start_s - slack_s, covered.end_s + slack_s
    # The level of a clip is measured from time 0 of the file on.
    return max(early, 0.0) <= clip.start_s and clip.end_s <= late


def _runs(clips: Sequence[SelectedClip], is_all: bool) -> list[list[SelectedClip]]:
    """Group clips that follow each other directly; if they are all clips, they form one group."""
    runs: list[list[SelectedClip]] = []
    for clip in clips:
        if runs and (is_all or clip.start_s == runs[-1][-1].time_range.end_s):
            runs[-1].append(clip)
        else:
            runs.append([clip])
    return runs


def _describe_overlap(covered: TimeRange) -> str:
    return f"video and audio overlap from {covered.start_s:.1f} to {covered.end_s:.1f} s"


def _describe_defect(run: Sequence[SelectedClip], min_level_dbfs: float) -> str:
    where = f"from {run[0].start_s} s to {run[-1].time_range.end_s:g} s"
    if math.isnan(run[0].level_dbfs):
        return f"the audio {where} holds samples that are NaN, infinite or out of range"
    loudest = max(clip.level_dbfs for clip in run)
    level = "digital silence" if loudest <= LEVEL_FLOOR_DBFS else f"at most {loudest:.1f} dBFS"
    return f"W {where} is {level}, below {min_level_dbfs:g} dBFS"


def _unlisted_time(rest: Sequence[TimeRange], rest_s: float, end_to_end: bool) -> LostTime:
    start_s = math.floor(rest[0].start_s)
    if end_to_end:
        detail = f"{rest_s:.2f} s before the first and after the last whole clip"
        return LostTime(REMAINDER, detail, start_s, rest_s)
    return LostTime(UNLISTED, f"{rest_s:.2f} s that are in no listed clip", start_s, rest_s)
