"""Which ten seconds of an inspected recording become clips."""

from __future__ import annotations

from collections.abc import Iterable

from yt360.catalog.records import Clip
from yt360.quality.inspect import Inspection, Part
from yt360.quality.silence import sounding_clips
from yt360.quality.thresholds import DEFAULTS, SilenceThresholds

CLIP_S = 10


def clips_of(
    inspection: Inspection,
    known: Iterable[Clip] = (),
    thresholds: SilenceThresholds = DEFAULTS.silence,
) -> list[Clip]:
    """Return the clips of a recording, with the level of W, silent ones dropped.

    Args:
        inspection: Of all files of the recording.
        known: Clips that are given (a released list): they keep their times, and are dropped when
            they are silent or not covered by the files. Without any, clips lie end to end.
        thresholds: See `yt360.quality.silence`.
    """
    given = sorted(known, key=lambda clip: clip.start_s)
    result: list[Clip] = []
    for part in inspection.parts:
        wanted = [clip for clip in given if _covers(part, clip)] if given else _end_to_end(part)
        result += _with_levels(part, wanted, thresholds)
    covered = {clip.start_s for clip in result}
    result += [
        _changed(clip, kept=False, reason="not-covered")
        for clip in given
        if clip.start_s not in covered
    ]
    return sorted(result, key=lambda clip: clip.start_s)


def _end_to_end(part: Part) -> list[Clip]:
    first = int(-(-part.covered_s[0] // 1))
    starts = range(first, int(part.covered_s[1]) - CLIP_S + 1, CLIP_S)
    offset = round(part.start_s)
    return [Clip(start_s=offset + start, duration_s=float(CLIP_S)) for start in starts]


def _covers(part: Part, clip: Clip) -> bool:
    start = clip.start_s - part.start_s
    first, last = part.covered_s
    # Released clips may reach past the end by the rounding of their times.
    return start >= first - 1 and start + clip.duration_s <= last + 1


def _with_levels(part: Part, clips: list[Clip], thresholds: SilenceThresholds) -> list[Clip]:
    if part.silence is None or not clips:
        return []
    starts = [round(clip.start_s - part.start_s) for clip in clips]
    levels = part.silence.clip_levels_dbfs(starts, CLIP_S)
    sounding = sounding_clips(levels, thresholds)
    return [
        _changed(clip, kept=loud, reason=None if loud else "silent", level_dbfs=round(level, 2))
        for clip, loud, level in zip(clips, sounding, levels, strict=True)
    ]


def _changed(clip: Clip, *, kept: bool, reason: str | None, **numbers: float) -> Clip:
    return Clip(
        start_s=clip.start_s,
        duration_s=clip.duration_s,
        kept=kept,
        reason=reason,
        origin=clip.origin,
        numbers={**clip.numbers, **numbers},
    )
