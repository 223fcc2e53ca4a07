"""Read moments of a recording: the frame as the conversion sees it, and the sound field."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader
from yt360.media.containers.opening import MAX_PIXELS, OPEN_OPTIONS, open_media, time_origin_s
from yt360.media.ffmpeg import compile_arguments, graph_name, run_ffmpeg
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.video.equirect_filters import to_equirectangular
from yt360.media.video.projection import ResolvedProjection
from yt360.quality.checks.base import Part
from yt360.quality.signal.series import octave_weighted

MOMENTS = 3
WIDTH, HEIGHT = 448, 224
_JPEG_QUALITY = 7  # FFmpeg's scale from 2 (best) to 31
_WINDOW_S = 1.0
_SILENT_DBFS = -70.0


@dataclass(frozen=True)
class Moment:
    """One moment of a recording.

    Attributes:
        time_s: Time in the video.
        jpeg: Picture, equirectangular 448x224, or with the stored aspect ratio if the projection is
            refused; None if there is none.
        is_panorama: Whether the picture is equirectangular.
        level_dbfs: Level of W in the second around it; None without audio.
        field: Covariance (4, 4) of W, Y, Z, X in that second, with equal weights for all octaves;
            None if the audio is silent or has too few channels.
    """

    time_s: float
    jpeg: bytes | None
    is_panorama: bool
    level_dbfs: float | None
    field: NDArray[np.float64] | None


def read_moments(parts: Sequence[Part], count: int = MOMENTS) -> list[Moment]:
    """Return moments that are spread evenly over the parts of a recording.

    The picture of a moment is that of the key frame before it, unless key frames are too rare.
    """
    spans = [span for part in parts for span in [_span_s(part)] if span[1] > span[0]]
    readable = [part for part in parts if _span_s(part)[1] > _span_s(part)[0]]
    total_s = sum(end - start for start, end in spans)
    return [
        _read(part, time_s, total_s / count)
        for part, time_s in _places(readable, spans, total_s, count)
    ]


def _span_s(part: Part) -> tuple[float, float]:
    """Return the time that a part covers, in seconds of its files."""
    if part.covered_s[1] > part.covered_s[0]:
        return part.covered_s
    stream = part.video or part.audio
    return (stream.start_s, stream.end_s) if stream is not None else (0.0, 0.0)


def _places(
    parts: Sequence[Part], spans: Sequence[tuple[float, float]], total_s: float, count: int
) -> Iterator[tuple[Part, float]]:
    for number in range(count if total_s > 0 else 0):
        after_s = total_s * (number + 0.5) / count
        for part, (start_s, end_s) in zip(parts, spans, strict=True):
            if after_s <= end_s - start_s:
                yield part, start_s + after_s
                break
            after_s -= end_s - start_s


def _read(part: Part, time_s: float, spacing_s: float) -> Moment:
    jpeg = None
    if part.video is not None and part.video_file is not None:
        with suppress(BadItem):
            key_s = _key_frame_s(part.video_file, part.video.index, time_s)
            # A seek to a frame in between decodes everything since the key frame.
            if key_s is not None and time_s - key_s < spacing_s / 2:
                time_s = max(key_s, 0.0)
            jpeg = _picture(part, part.video_file, time_s)
    level_dbfs, field = None, None
    if part.audio is not None and part.audio_file is not None:
        with suppress(BadItem):
            level_dbfs, field = _listen(part, part.audio_file, time_s)
    is_panorama = isinstance(part.projection, ResolvedProjection)
    return Moment(part.start_s + time_s, jpeg, is_panorama, level_dbfs, field)


def _key_frame_s(path: Path, stream_index: int, time_s: float) -> float | None:
    """Return the time of the key frame at or before `time_s`; None if it cannot be found."""
    with open_media(path) as container:
        stream = container.streams[stream_index]
        origin_s = time_origin_s(container)
        if stream.time_base is None:
            return None
        container.seek(round((time_s + origin_s) / stream.time_base), stream=stream)
        for packet in container.demux(stream):
            if packet.pts is not None and packet.is_keyframe:
                return float(packet.pts * stream.time_base) - origin_s
    return None


def _picture(part: Part, path: Path, time_s: float) -> bytes:
    """Return the frame at a time as JPEG, as the conversion would show it."""
    assert part.video is not None
    with open_media(path) as container:
        start_s = time_s + time_origin_s(container)
    options = {"threads": 1, "max_pixels": MAX_PIXELS, "skip_loop_filter": "all", **OPEN_OPTIONS}
    seek = {"ss": f"{max(start_s - 0.001, 0):.6f}", "seek_timestamp": 1}
    frames = ffmpeg.input(graph_name(path), **options, **seek)[str(part.video.index)]
    if isinstance(part.projection, ResolvedProjection):
        frames = to_equirectangular(frames, part.projection, WIDTH, HEIGHT)
    else:
        frames = frames.filter("scale", WIDTH, -2)
    frames = frames.filter("scale", out_color_matrix="bt601", out_range="pc")
    frames = frames.filter("format", "yuvj420p")
    with tempfile.TemporaryDirectory(prefix="yt360-") as folder:
        picture = Path(folder) / "picture.jpg"
        output = ffmpeg.output(
            frames, graph_name(picture), format="image2", vcodec="mjpeg", vframes=1, update=1,
            **{"q:v": _JPEG_QUALITY, "flags:v": "+bitexact", "fflags": "+bitexact"},
        )  # fmt: skip
        run_ffmpeg(compile_arguments(output), path)
        try:
            return picture.read_bytes()
        except FileNotFoundError:
            raise BadItem("not-decodable", f"{path.name} has no frame at {time_s:.1f} s") from None


def _listen(part: Part, path: Path, time_s: float) -> tuple[float, NDArray[np.float64] | None]:
    """Return the level of W and the covariance of the sound field in the second around a time."""
    assert part.audio is not None
    rate = part.audio.sample_rate_hz
    form = part.audio_format
    with AudioReader(path, part.audio.position) as reader:
        first = max(round((time_s - _WINDOW_S / 2) * rate), 0)
        stored, _ = reader.read(first, round(_WINDOW_S * rate))
    samples = stored[list(form.channels) if form else [0]]
    gains = np.array(form.gains if form else (1.0,), np.float32)
    power = float(np.mean(np.square(samples[0] * gains[0], dtype=np.float64)))
    level_dbfs = 10 * math.log10(power + 1e-15)
    if form is None or not level_dbfs > _SILENT_DBFS:
        return level_dbfs, None
    segments = [it.scaled(gains) for it in FieldAnalyzer(rate).feed(samples)]
    if not segments:
        return level_dbfs, None
    field = np.mean([octave_weighted(it) for it in segments], axis=0)
    return level_dbfs, np.asarray(field, np.float64)
