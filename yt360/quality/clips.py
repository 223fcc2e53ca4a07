"""Select the clips of an inspected recording, and drop those that are silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from yt360.catalog.records import Clip
from yt360.clips import DEFAULT_CLIP_S
from yt360.quality.checks.base import Part
from yt360.quality.checks.silence import SilenceConfig, sounding_clips
from yt360.quality.configs import Configs
from yt360.quality.inspect import Inspection


def clips_of(inspection: Inspection, known: Iterable[Clip] = ()) -> list[Clip]:
    """Return the clips of a recording with their level of W; silent clips are marked as not kept.

    Args:
        inspection: Inspection of all files of the recording.
        known: Given clips (from YT-360's lists), which keep their times and are not kept if they
            are silent or not covered by the files. If empty, clips are consecutive. Where sections
            overlap, a clip belongs to the section that contains most of it, or to the first one.
    """
    given = sorted(known, key=lambda clip: clip.start_s)
    homes = [_home_of(clip, inspection.parts) for clip in given]
    result: list[Clip] = []
    for part in inspection.parts:
        wanted = [clip for clip, home in zip(given, homes, strict=True) if home is part]
        if not given:
            ends_s = [int(clip.start_s + clip.duration_s) for clip in result]
            wanted = _end_to_end(part, max(ends_s, default=0))
        result += _with_levels(part, wanted)
    covered = {clip.start_s for clip in result}
    result = without_silence(result, inspection.checks)
    result += [
        replace(clip, kept=False, reason="not-covered")
        for clip in given
        if clip.start_s not in covered
    ]
    return sorted(result, key=lambda clip: clip.start_s)


def without_silence(clips: Sequence[Clip], checks: Configs) -> list[Clip]:
    """Return clips in temporal order with silent ones marked as not kept, by the silence check.

    Clips without a level, or that are not kept for another reason, are not changed.
    """
    silence = checks.get("silence")
    config = silence if isinstance(silence, SilenceConfig) else SilenceConfig()
    measured = [clip for clip in clips if "level_dbfs" in clip.numbers]
    judged = [clip for clip in measured if clip.kept or clip.reason == "silent"]
    sounding = sounding_clips([clip.numbers["level_dbfs"] for clip in judged], config)
    kept = {clip.start_s: loud for clip, loud in zip(judged, sounding, strict=True)}
    return [
        replace(clip, kept=kept[clip.start_s], reason=None if kept[clip.start_s] else "silent")
        if clip.start_s in kept
        else clip
        for clip in clips
    ]


def why_no_clips(clips: Iterable[Clip]) -> str:
    """Describe why none of the clips of a recording is kept."""
    reasons = Counter(clip.reason for clip in clips)
    words = {"silent": "silent", "not-covered": "not covered by video and audio"}
    counts = [f"{reasons[each]} {text}" for each, text in words.items() if reasons[each]]
    if counts:
        return f"its clips: {', '.join(counts)}"
    return f"video and audio do not cover {DEFAULT_CLIP_S} whole seconds together"


def _end_to_end(part: Part, free_from_s: int) -> list[Clip]:
    """Return consecutive clips of a part, from second `free_from_s` of the video on."""
    offset = round(part.start_s)
    first = max(int(-(-part.covered_s[0] // 1)), free_from_s - offset)
    starts = range(first, int(part.covered_s[1]) - DEFAULT_CLIP_S + 1, DEFAULT_CLIP_S)
    return [Clip(start_s=offset + start, duration_s=float(DEFAULT_CLIP_S)) for start in starts]


def _home_of(clip: Clip, parts: Iterable[Part]) -> Part | None:
    """Return the part that contains most of a clip, or None if no part covers it."""
    covering = [part for part in parts if _covers(part, clip)]
    return min(covering, key=lambda part: max(0.0, *_outside_s(part, clip)), default=None)


def _covers(part: Part, clip: Clip) -> bool:
    # YT-360's clips may exceed the end because their times are rounded.
    return max(_outside_s(part, clip)) <= 1


def _outside_s(part: Part, clip: Clip) -> tuple[float, float]:
    """Return by how much a clip exceeds the start and the end of a part; negative inside."""
    start_s = clip.start_s - part.start_s
    first, last = part.covered_s
    return first - start_s, start_s + clip.duration_s - last


def _with_levels(part: Part, clips: list[Clip]) -> list[Clip]:
    """Return clips with their level of W, all kept."""
    if part.levels is None:
        return []
    result = []
    for clip in clips:
        start_s = round(clip.start_s - part.start_s)
        (level,) = part.levels.clip_levels_dbfs([start_s], clip.duration_s)
        numbers = {**clip.numbers, "level_dbfs": round(level, 2)}
        result.append(replace(clip, kept=True, reason=None, numbers=numbers))
    return result
