"""Read frames of 360° video at a constant rate through FFmpeg."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from yt360.media.containers.opening import (
    MAX_PIXELS,
    MAX_STREAMS,
    OPEN_OPTIONS,
    SEEKABLE,
    open_media,
    time_origin_s,
)
from yt360.media.ffmpeg import compile_arguments, graph_name, read_ffmpeg
from yt360.media.video.equirect_filters import to_equirectangular
from yt360.media.video.projection import ResolvedProjection


def read_equirectangular(
    video: Path,
    stream: int,
    projection: ResolvedProjection,
    width: int,
    height: int,
    *,
    fps: int,
    start_s: float = 0.0,
    count: int | None = None,
    pixels: Literal["gray", "rgb24"] = "gray",
) -> Iterator[NDArray[np.uint8]]:
    """Yield small monoscopic equirectangular frames.

    Frame n is the one that is displayed at ``start_s + n / fps``. The deblocking filter is
    skipped, which has no effect at this size.

    Args:
        video: The file.
        stream: Index of the video stream.
        projection: From `yt360.media.video.projection.resolve_projection`.
        width: Width of the frames in pixels, twice the height.
        height: Height of the frames.
        fps: Frames per second.
        start_s: Time of the first frame.
        count: Largest number of frames; None for all.
        pixels: Luma or RGB.

    Yields:
        uint8 (H, W), or (H, W, 3) for RGB.

    Raises:
        BadItem: ``"not-decodable"``.
    """
    frames = frames_at_rate(video, stream, start_s, fps, skip_loop_filter="all")
    frames = to_equirectangular(frames, projection, width, height)
    shape = (height, width) if pixels == "gray" else (height, width, 3)
    options: dict[str, object] = {} if count is None else {"frames:v": count}
    output = ffmpeg.output(frames, "pipe:1", format="rawvideo", pix_fmt=pixels, **options)
    for content in read_ffmpeg(compile_arguments(output), video, math.prod(shape)):
        yield np.frombuffer(content, np.uint8).reshape(shape)


def frames_at_rate(
    video: Path,
    stream: int,
    start_s: float,
    fps: int,
    *,
    container: str = "",
    threads: int = 1,
    **options: object,
) -> ffmpeg.Stream:
    """Return the frames of a video at a constant rate; frame 0 is displayed at `start_s`.

    Compile the graph with `yt360.media.ffmpeg.compile_arguments`, which preserves the timestamps
    of the file.

    Args:
        video: The file.
        stream: Index of the video stream.
        start_s: Time of frame 0.
        fps: Frames per second.
        container: FFmpeg's name of the container, if it is known; the video is then not opened for
            the kinds of containers that are usual.
        threads: Decoder threads.
        options: More options of the decoder.
    """
    start_in_file_s, can_seek = start_s, container.startswith(SEEKABLE)
    if not can_seek:
        with open_media(video) as opened:
            start_in_file_s = start_s + time_origin_s(opened)
            can_seek = opened.format.name.startswith(SEEKABLE)
    # Keep frames before the start, because one of them is displayed at the start.
    seek = {"ss": f"{start_in_file_s:.6f}", "seek_timestamp": 1, "noaccurate_seek": None}
    stored = ffmpeg.input(
        graph_name(video),
        threads=threads,
        max_pixels=MAX_PIXELS,
        max_streams=MAX_STREAMS,
        **OPEN_OPTIONS,
        **(seek if can_seek else {}),
        **options,
    )
    # Microseconds are exact for all output timestamps; the time bases of some files are not.
    times = stored[str(stream)].filter("settb", "AVTB")
    times = times.filter("setpts", f"PTS-{round(start_in_file_s * 1_000_000)}")
    # Round up: a frame starts at the first output timestamp at which it is displayed.
    return times.filter("fps", fps=fps, round="up", start_time=0)
