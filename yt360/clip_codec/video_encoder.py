"""Encode parts of a video as monoscopic equirectangular clips with FFmpeg."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import ffmpeg
from ffmpeg.nodes import FilterableStream

from yt360.clip_codec.format import ClipFormat
from yt360.media.ffmpeg import compile_arguments, graph_name, run_ffmpeg
from yt360.media.source import Source
from yt360.media.video.equirect_filters import to_equirectangular
from yt360.media.video.frames import frames_at_rate
from yt360.media.video.x264 import REPRODUCIBLE

# Maximum time in seconds for which the last frame of a stream is repeated.
_HOLD_LAST_FRAME_S = 0.25


def encode_video(
    source: Source,
    spans: Sequence[tuple[float, float]],
    form: ClipFormat,
    outputs: Sequence[Path],
    *,
    threads: int,
    shifts_px: Sequence[int] = (),
) -> None:
    """Encode parts of a source's video in one run of FFmpeg.

    Output frame n of a part is the source frame that is displayed at ``start_s + n / fps``.

    Args:
        source: From `yt360.media.source.open_source`.
        spans: (start_s, duration_s) of each part, in order; starts differ by whole frames.
        form: Format of the clips.
        outputs: MP4 file of each clip.
        threads: Decoder threads; the encoder has one (`yt360.media.video.x264`).
        shifts_px: By how many pixels, even and in [0, width), the frames of each part are shifted
            right; what leaves at the right edge enters at the left one. Empty for none.

    Raises:
        BadItem: ``"not-decodable"``.
        OSError: The disk is full.
    """
    first_s = spans[0][0]
    frames = frames_at_rate(
        source.video,
        source.video_stream.index,
        first_s,
        form.fps,
        container=source.container,
        threads=threads,
    )
    frames = to_equirectangular(frames, source.projection, form.width, form.height)
    frames = frames.filter("tpad", stop_mode="clone", stop=math.ceil(_HOLD_LAST_FRAME_S * form.fps))
    copies = frames.filter_multi_output("split", len(spans))
    results = []
    for index, ((start_s, duration_s), path) in enumerate(zip(spans, outputs, strict=True)):
        first_frame = round((start_s - first_s) * form.fps)
        last_frame = first_frame + round(duration_s * form.fps)
        part = copies.stream(index).filter("trim", start_frame=first_frame, end_frame=last_frame)
        part = part.filter("setpts", "PTS-STARTPTS")
        if shifts_px and shifts_px[index]:
            part = _shifted_right(part, shifts_px[index], form.width)
        results.append(ffmpeg.output(part, graph_name(path), **_encoder_options(form)))
    run_ffmpeg(compile_arguments(ffmpeg.merge_outputs(*results)), source.video)


def _shifted_right(frames: FilterableStream, pixels: int, width: int) -> FilterableStream:
    """Shift frames right by pixels in (0, width); they wrap around."""
    copies = frames.filter_multi_output("split", 2)
    end = copies.stream(0).filter("crop", pixels, "ih", width - pixels, 0, exact=1)
    start = copies.stream(1).filter("crop", width - pixels, "ih", 0, 0, exact=1)
    return ffmpeg.filter([end, start], "hstack", inputs=2)


def _encoder_options(form: ClipFormat) -> dict[str, object]:
    return {
        "format": "mp4",
        "vcodec": "libx264",
        "preset": form.preset,
        "tune": "fastdecode",
        "crf": form.crf,
        "g": form.gop,
        "keyint_min": form.gop,
        "sc_threshold": 0,
        "bf": 0,
        # In groups this short, more reference frames only make decoding 10 % slower.
        "refs": 1,
        **REPRODUCIBLE,
        "flags:v": "+bitexact+cgop",
        "fflags": "+bitexact",
        "movflags": "+faststart",
        "map_metadata": -1,
        "map_chapters": -1,
    }
