"""Sections: the parts of a video that its clips need.

FFmpeg copies a part of a stream from the key frame before it, so a section begins earlier than
requested, and its streams begin at different times. A section is therefore downloaded with the
video's own time stamps (see `fetch.py`) and then shifted by a whole number of seconds, which is
recorded in the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from yt360.clips import DEFAULT_CLIP_S
from yt360.crawl.failures import Damaged
from yt360.crawl.verify import end_slack_s
from yt360.errors import BadItem
from yt360.execution.isolation import IsolatedProcess
from yt360.files import sync_folder
from yt360.media.containers.opening import OPEN_OPTIONS
from yt360.media.ffmpeg import input_name, run_ffmpeg
from yt360.media.packet_times import decodable_spans_s, read_metadata

MARGIN_S = 2
"""Margin around each clip."""
MAX_GAP_S = 15
"""Sections with a shorter gap between them are joined."""
MAX_FRACTION = 0.6
"""If sections are a larger fraction of the video, it is downloaded whole."""
LATE_START_S = 0.5
"""Latest start of a stream of a whole video."""
_START_TAG, _END_TAG = "YT360_START_S", "YT360_END_S"
COPY_ARGUMENTS = ("-copyts", "-strict", "unofficial")
"""FFmpeg's output options: keep the time stamps, and the boxes that declare the projection."""


def plan_sections(
    starts_s: Sequence[int], duration_s: float | None, clip_s: float = DEFAULT_CLIP_S
) -> list[tuple[int, int]] | None:
    """Return the sections to download as (start, end) in whole seconds; None for the whole video.

    Clips get a margin of 2 s on both sides, and sections less than 15 s apart are joined. The whole
    video is downloaded when its duration is unknown or the sections are more than 60% of it: many
    short requests are slower than one long request, and cannot be resumed.

    Args:
        starts_s: Start times of the known clips.
        duration_s: Duration of the video that its page declares; None if unknown.
        clip_s: Length of a clip.
    """
    if not starts_s or not duration_s:
        return None
    parts: list[tuple[int, int]] = []
    last = int(duration_s) + 1
    for start in sorted(starts_s):
        begin, end = max(0, start - MARGIN_S), min(last, int(start + clip_s) + MARGIN_S + 1)
        if begin >= last:
            continue
        if parts and begin - parts[-1][1] < MAX_GAP_S:
            parts[-1] = (parts[-1][0], max(parts[-1][1], end))
        else:
            parts.append((begin, end))
    needed = sum(end - begin for begin, end in parts)
    return parts if parts and needed <= MAX_FRACTION * duration_s else None


def needed_span(
    section: tuple[int, int],
    starts_s: Sequence[int],
    duration_s: float,
    clip_s: float = DEFAULT_CLIP_S,
) -> tuple[float, float]:
    """Return the part of a section that its clips need, as (start, end) in seconds.

    At the ends of the video the tolerance is that of whole files, because streams begin a little
    late and end earlier than the page declares.

    Args:
        section: One of `plan_sections`.
        starts_s: Start times of the known clips.
        duration_s: Duration of the video that its page declares.
        clip_s: Length of a clip.
    """
    begin, end = section
    inside = [start for start in starts_s if begin <= start < end]
    last = duration_s - end_slack_s(duration_s)
    return max(LATE_START_S, min(inside)), min(max(inside) + clip_s, last)


def section_name(video_id: str, begin_s: int, end_s: int) -> str:
    """Return the file name of a finished section."""
    return f"{video_id}.{begin_s:05d}-{end_s:05d}.mkv"


def rebase(isolated: IsolatedProcess, raw: Path, final: Path, begin_s: float, end_s: float) -> None:
    """Shift a downloaded section to start in the first second of its file; delete the raw file.

    The second of the video at time 0 is written into the result; `section_span` reads it.

    Args:
        isolated: The process that reads the file.
        raw: Matroska file with the video's own time stamps.
        final: The result, which is replaced atomically.
        begin_s: All streams must begin at or before this second of the video.
        end_s: All streams must end at or after this second of the video.

    Raises:
        Damaged: The file does not hold all streams of the section.
    """
    temporary = final.with_name(f".{final.name}.tmp")
    try:
        begins, ends = zip(*isolated.call(raw.name, decodable_spans_s, raw), strict=True)
        if max(begins) > begin_s or min(ends) < end_s:
            raise Damaged(
                "truncated",
                f"received {max(begins):.2f}-{min(ends):.2f} s instead of {begin_s:g}-{end_s:g} s",
            )
        _copy_shifted(raw, temporary, max(0, math.floor(min(begins))), min(ends))
    except BadItem as error:
        temporary.unlink(missing_ok=True)
        raise Damaged(error.reason, error.detail) from error
    temporary.replace(final)
    sync_folder(final.parent)
    raw.unlink()


def section_span(isolated: IsolatedProcess, path: Path) -> tuple[int, float]:
    """Return the second of the video at time 0 of a finished section, and the second of its end.

    Raises:
        Damaged: The file cannot be read.
    """
    try:
        tags = isolated.call(path.name, read_metadata, path, (_START_TAG, _END_TAG))
        return int(tags[_START_TAG]), float(tags[_END_TAG])
    except BadItem as error:
        raise Damaged(error.reason, error.detail) from error
    except (KeyError, ValueError) as error:
        raise Damaged("not-a-section", f"{path.name} does not declare its times: {error}") from None


def _copy_shifted(raw: Path, target: Path, start_s: int, end_s: float) -> None:
    arguments = ["-nostdin", "-v", "error", "-y", "-copyts"]
    for name, value in OPEN_OPTIONS.items():
        arguments += [f"-{name}", value]
    arguments += ["-i", input_name(raw)]
    arguments += ["-map", "0", "-c", "copy", "-output_ts_offset", str(-start_s)]
    arguments += ["-strict", "unofficial", "-fflags", "+bitexact"]
    arguments += ["-metadata", f"{_START_TAG}={start_s}", "-metadata", f"{_END_TAG}={end_s:.6f}"]
    run_ffmpeg([*arguments, "-f", "matroska", input_name(target)], raw)
