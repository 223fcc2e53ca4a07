"""Downloading only the parts of a video that its clips need.

FFmpeg copies a part of a stream from the key frame before it, so a part begins somewhat earlier
than asked, and picture and sound at different times. The parts are therefore fetched into one file
with the video's own time stamps and then moved to time 0 by the same amount, which is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
from av.error import FFmpegError

from yt360.crawl.failures import Damaged
from yt360.files import sync_folder

MARGIN_S = 2
JOIN_S = 15
WORTH_IT = 0.6
_START_TAG, _END_TAG = "YT360_START_S", "YT360_END_S"
COPY_ARGUMENTS = ("-copyts", "-strict", "unofficial")
"""FFmpeg's output options: keep the time stamps, and the boxes that tell the projection."""


def plan_sections(
    starts_s: Sequence[int], duration_s: float | None, clip_s: float = 10.0
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


def section_name(video_id: str, begin_s: int, end_s: int) -> str:
    """Return the file name of a finished section."""
    return f"{video_id}.{begin_s:05d}-{end_s:05d}.mkv"


def rebase(raw: Path, final: Path, begin_s: float, end_s: float) -> None:
    """Move a fetched section to time 0, atomically, and remove the raw file.

    Which time of the video that was is written into the result; `section_span` reads it.

    Args:
        raw: Matroska file whose time stamps are the video's own.
        final: Where the result goes.
        begin_s: The section must begin here or earlier ...
        end_s: ... and reach to here, give or take half a second.

    Raises:
        Damaged: The file does not hold picture and sound of the section.
    """
    temporary = final.with_name(f".{final.name}.tmp")
    try:
        begins, ends = _span(raw)
        start = min(begins)
        if max(begins) > begin_s + 0.5 or min(ends) < end_s - 0.5:
            raise Damaged(
                "truncated",
                f"section {begin_s:g}-{end_s:g} s came as {max(begins):.1f}-{min(ends):.1f} s",
            )
        _copy_shifted(raw, temporary, start, min(ends))
    except FFmpegError as error:
        temporary.unlink(missing_ok=True)
        raise Damaged("not-media", f"{raw.name}: {error}") from error
    temporary.replace(final)
    sync_folder(final.parent)
    raw.unlink()


def section_span(path: Path) -> tuple[float, float]:
    """Return the times in the video at which a finished section begins and ends, in seconds."""
    with av.open(str(path)) as container:
        tags = {key.upper(): value for key, value in container.metadata.items()}
    return float(tags[_START_TAG]), float(tags[_END_TAG])


def _span(path: Path) -> tuple[list[float], list[float]]:
    """Return the first and the last time of each stream, in seconds."""
    begins: dict[int, float] = {}
    ends: dict[int, float] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            time = float(packet.pts * packet.time_base)
            length = float((packet.duration or 0) * packet.time_base)
            index = packet.stream_index
            begins[index] = min(begins.get(index, time), time)
            ends[index] = max(ends.get(index, time), time + length)
    if not begins:
        raise Damaged("empty", f"{path.name} holds no packets")
    return list(begins.values()), list(ends.values())


def _copy_shifted(raw: Path, target: Path, start_s: float, end_s: float) -> None:
    options = {"strict": "unofficial", "fflags": "+bitexact"}
    with (
        av.open(str(raw)) as source,
        av.open(str(target), "w", format="matroska", options=options) as sink,
    ):
        streams = {
            stream.index: sink.add_stream_from_template(stream)
            for stream in source.streams
            if stream.type in ("video", "audio")
        }
        sink.metadata.update({_START_TAG: f"{start_s:.6f}", _END_TAG: f"{end_s:.6f}"})
        for packet in source.demux(*(source.streams[index] for index in streams)):
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            shift = round(start_s / packet.time_base)
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = streams[packet.stream_index]
            sink.mux(packet)
