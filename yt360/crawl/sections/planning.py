"""Downloading only the parts of a video that its clips need.

FFmpeg copies a part of a stream from the key frame before it, so a part begins somewhat earlier
than asked, and picture and sound at different times. The parts are therefore fetched into one file
with the video's own time stamps and then moved towards time 0 by the same whole number of seconds,
which is recorded. `section_fetch.py` fetches them.
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
from yt360.media.extent import decodable_spans_s, read_metadata
from yt360.media.ffmpeg import input_name, run_ffmpeg

MARGIN_S = 2
JOIN_S = 15
WORTH_IT = 0.6
LATE_START_S = 0.5
"""Picture or sound of a whole video may begin so late."""
_START_TAG, _END_TAG = "YT360_START_S", "YT360_END_S"
COPY_ARGUMENTS = ("-copyts", "-strict", "unofficial")
"""FFmpeg's output options: keep the time stamps, and the boxes that tell the projection."""


def plan_sections(
    starts_s: Sequence[int], duration_s: float | None, clip_s: float = DEFAULT_CLIP_S
) -> list[tuple[int, int]] | None:
    """Return the parts to fetch as (start, end) in whole seconds, or None for the whole video.

    Clips get a margin of 2 s on both sides; parts less than 15 s apart are joined. The whole video
    is fetched when its length is unknown or the parts make up more than 60% of it: many short
    requests are slower than one long one, and cannot be resumed in their middle.

    Args:
        starts_s: Where the known clips begin.
        duration_s: Length of the video, if its page tells it.
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
        if parts and begin - parts[-1][1] < JOIN_S:
            parts[-1] = (parts[-1][0], max(parts[-1][1], end))
        else:
            parts.append((begin, end))
    needed = sum(end - begin for begin, end in parts)
    return parts if parts and needed <= WORTH_IT * duration_s else None


def needed_span(
    section: tuple[int, int],
    starts_s: Sequence[int],
    duration_s: float,
    clip_s: float = DEFAULT_CLIP_S,
) -> tuple[float, float]:
    """Return what a section must hold without its margins: its clips, as (start, end) in seconds.

    Streams begin and end a little later and earlier than the page says: what a whole file may lack
    at its ends, a section may lack too.

    Args:
        section: One of `plan_sections`.
        starts_s: Where the known clips begin.
        duration_s: Length of the video, as its page tells it.
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
    """Move a fetched section to the first second of its file, atomically; remove the raw file.

    Which second of the video became time 0 is written into the result; `section_span` reads it.

    Args:
        isolated: Where the file is read.
        raw: Matroska file whose time stamps are the video's own.
        final: Where the result goes.
        begin_s: Picture and sound must begin here or earlier ...
        end_s: ... and reach to here.

    Raises:
        Damaged: The file does not hold picture and sound of the section.
    """
    temporary = final.with_name(f".{final.name}.tmp")
    try:
        begins, ends = zip(*isolated.call(raw.name, decodable_spans_s, raw), strict=True)
        if max(begins) > begin_s or min(ends) < end_s:
            raise Damaged(
                "truncated",
                f"{begin_s:g}-{end_s:g} s came as {max(begins):.2f}-{min(ends):.2f} s",
            )
        _copy_shifted(raw, temporary, max(0, math.floor(min(begins))), min(ends))
    except BadItem as error:
        temporary.unlink(missing_ok=True)
        raise Damaged(error.reason, error.detail) from error
    temporary.replace(final)
    sync_folder(final.parent)
    raw.unlink()


def section_span(isolated: IsolatedProcess, path: Path) -> tuple[int, float]:
    """Return the second of the video at a finished section's time 0, and the time of its end.

    Raises:
        Damaged: The file cannot be read.
    """
    try:
        tags = isolated.call(path.name, read_metadata, path, (_START_TAG, _END_TAG))
        return int(tags[_START_TAG]), float(tags[_END_TAG])
    except BadItem as error:
        raise Damaged(error.reason, error.detail) from error
    except (KeyError, ValueError) as error:
        raise Damaged("not-a-section", f"{path.name} does not say its times: {error}") from None


def _copy_shifted(raw: Path, target: Path, start_s: int, end_s: float) -> None:
    arguments = ["-nostdin", "-v", "error", "-y", "-copyts"]
    for name, value in OPEN_OPTIONS.items():
        arguments += [f"-{name}", value]
    arguments += ["-i", input_name(raw)]
    arguments += ["-map", "0", "-c", "copy", "-output_ts_offset", str(-start_s)]
    arguments += ["-strict", "unofficial", "-fflags", "+bitexact"]
    arguments += ["-metadata", f"{_START_TAG}={start_s}", "-metadata", f"{_END_TAG}={end_s:.6f}"]
    run_ffmpeg([*arguments, "-f", "matroska", input_name(target)], raw)
