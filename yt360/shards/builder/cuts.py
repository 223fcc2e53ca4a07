"""Which stretches of a file become clips, and what becomes of each second of the rest.

The law of this module: every second that picture and sound of a file cover is in exactly one clip,
or counts as lost for exactly one reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.clips import Stretch, clip_starts, hull, share_out

LEVEL_FLOOR_DBFS = -200.0
"""Level that stands for digital silence."""
LEVEL_WINDOW_S = 1.0

REMAINDER, UNLISTED = "remainder", "unlisted"
REST_REASONS = frozenset({REMAINDER, UNLISTED})
"""Reasons of what is left over where nothing is wrong."""


@dataclass(frozen=True)
class ClipPlan:
    """One clip to be made.

    Attributes:
        start_s: Where it starts, in seconds of the upload.
        duration_s: Its length.
        level_dbfs: Level of its W channel.
    """

    start_s: int
    duration_s: int | float
    level_dbfs: float

    @property
    def stretch(self) -> Stretch:
        """When it is."""
        return Stretch(self.start_s, self.duration_s)


@dataclass(frozen=True)
class Loss:
    """Time that is in no clip, and why.

    Attributes:
        reason: Short slug to count by.
        detail: One sentence with the numbers behind it.
        start_s: Where it begins, in seconds of the upload; None for all there is of the file.
        lost_s: Seconds that are in no clip because of this.
    """

    reason: str
    detail: str
    start_s: int | None
    lost_s: float


@dataclass(frozen=True)
class Cuts:
    """What a file gives.

    Attributes:
        clips: In order of time; they overlap where a list wants it.
        losses: What is in none of them.
        covered_s: Length of what picture and sound cover together, with what clips may reach past
            it (the slack).
    """

    clips: tuple[ClipPlan, ...]
    losses: tuple[Loss, ...]
    covered_s: float


def plan_cuts(
    covered: Stretch,
    listed: Sequence[Stretch] | None,
    levels_dbfs: NDArray[np.float64],
    *,
    file_start_s: int = 0,
    clip_s: int,
    min_level_dbfs: float,
    slack_s: float = 0.0,
) -> Cuts:
    """Decide which clips a file gives.

    Args:
        covered: What picture and sound cover together, in seconds of the file.
        listed: The clips that are wanted, in seconds of the upload; None to lay clips end to end.
        levels_dbfs: Level of W in each window of `LEVEL_WINDOW_S` of the file; NaN where the sound
            is none.
        file_start_s: Second of the upload at which the file starts.
        clip_s: Length of clips that lie end to end.
        min_level_dbfs: Clips of a lower level are lost.
        slack_s: How much a clip may reach past either end of what is covered.
    """
    wanted = _wanted(covered, listed, file_start_s, clip_s, slack_s)
    inside = [clip for clip in wanted if _holds(covered, clip, slack_s)]
    outside = [clip for clip in wanted if clip not in inside]
    plans = [
        ClipPlan(
            int(clip.start_s) + file_start_s,
            clip.duration_s,
            clip_level(levels_dbfs, clip.start_s, clip.duration_s),
        )
        for clip in inside
    ]
    kept = [plan for plan in plans if plan.level_dbfs >= min_level_dbfs]
    silent = [plan for plan in plans if plan.level_dbfs < min_level_dbfs]
    bad = [plan for plan in plans if math.isnan(plan.level_dbfs)]

    whole = hull([covered, *inside]).shifted(file_start_s)
    runs = [([clip.shifted(file_start_s)], "clip-outside", _lasts(covered)) for clip in outside]
    starts: list[int | None] = [int(clip.start_s) + file_start_s for clip in outside]
    for reason, found in (("silent", silent), ("bad-samples", bad)):
        all_of_it = len(found) == len(plans)
        for run in _runs(found, all_of_it):
            detail = _what_is_wrong(run, min_level_dbfs)
            runs.append(([plan.stretch for plan in run], reason, detail))
            starts.append(None if all_of_it else run[0].start_s)
    claims = [plan.stretch for plan in kept] + [clip for run, _, _ in runs for clip in run]
    shares, rest = share_out(whole, claims)
    lost = iter(shares[len(kept) :])
    losses = [
        Loss(reason, detail, start_s, sum(next(lost) for _ in run))
        for (run, reason, detail), start_s in zip(runs, starts, strict=True)
    ]
    rest_s = sum(stretch.duration_s for stretch in rest)
    if not wanted and listed is None:
        detail = f"{_lasts(covered)}, which holds no clip of {clip_s} s"
        losses.append(Loss("too-short", detail, None, rest_s))
    elif rest:
        losses.append(_rest(rest, rest_s, listed is None))
    return Cuts(tuple(kept), tuple(losses), whole.duration_s)


def clip_level(levels: NDArray[np.float64], start_s: float, duration_s: float) -> float:
    """Return the level of a stretch in dBFS from the levels of windows of `LEVEL_WINDOW_S`.

    Windows past the end of the sound count as silent; the result is never under
    `LEVEL_FLOOR_DBFS`. It is NaN where a window's level is.

    Args:
        levels: Level of each window in dBFS (at least `LEVEL_FLOOR_DBFS`), from time 0.
        start_s: Start of the stretch, a multiple of the window.
        duration_s: Its length; windows that it touches count whole.
    """
    first = round(start_s / LEVEL_WINDOW_S)
    count = math.ceil(duration_s / LEVEL_WINDOW_S)
    power = np.sum(10.0 ** (levels[first : first + count] / 10.0)) / count
    floor = 10.0 ** (LEVEL_FLOOR_DBFS / 10.0)
    return float(10.0 * np.log10(np.maximum(power, floor)))


def _wanted(
    covered: Stretch,
    listed: Sequence[Stretch] | None,
    file_start_s: int,
    clip_s: int,
    slack_s: float,
) -> list[Stretch]:
    """Return the wanted clips in seconds of the file, in order of time."""
    if listed is None:
        starts = clip_starts(covered.start_s, covered.end_s, clip_s, slack_s)
        return [Stretch(start, clip_s) for start in starts]
    return sorted({clip.shifted(-file_start_s) for clip in listed})


def _holds(covered: Stretch, clip: Stretch, slack_s: float) -> bool:
    early, late = covered.start_s - slack_s, covered.end_s + slack_s
    # The level of a clip is that of the file's sound from time 0 on.
    return max(early, 0.0) <= clip.start_s and clip.end_s <= late


def _runs(clips: Sequence[ClipPlan], all_of_it: bool) -> Iterator[Sequence[ClipPlan]]:
    """Yield each run of clips that follow each other; all of them at once where that is all."""
    runs: list[list[ClipPlan]] = []
    for clip in clips:
        follows = runs and clip.start_s == runs[-1][-1].stretch.end_s
        if follows or (runs and all_of_it):
            runs[-1].append(clip)
        else:
            runs.append([clip])
    yield from runs


def _lasts(covered: Stretch) -> str:
    return f"picture and sound together last from {covered.start_s:.1f} to {covered.end_s:.1f} s"


def _what_is_wrong(run: Sequence[ClipPlan], min_level_dbfs: float) -> str:
    span = f"from {run[0].start_s} s to {run[-1].stretch.end_s:g} s"
    if math.isnan(run[0].level_dbfs):
        return f"the sound {span} holds NaN, infinity or values beyond any level"
    loudest = max(clip.level_dbfs for clip in run)
    level = "digital silence" if loudest <= LEVEL_FLOOR_DBFS else f"at most {loudest:.1f} dBFS"
    return f"W {span} is {level}, under {min_level_dbfs:g} dBFS"


def _rest(rest: Sequence[Stretch], rest_s: float, end_to_end: bool) -> Loss:
    start_s = math.floor(rest[0].start_s)
    if end_to_end:
        detail = f"{rest_s:.2f} s before the first and after the last whole clip"
        return Loss(REMAINDER, detail, start_s, rest_s)
    return Loss(UNLISTED, f"{rest_s:.2f} s that no listed clip holds", start_s, rest_s)
