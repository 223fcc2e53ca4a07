"""Decoding for those who look and listen: frames at a reduced size and rate, sound as ambiX."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av.error
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from yt360.ambisonic_formats import AmbisonicFormat
from yt360.errors import BadItem
from yt360.media.color import ColorTags
from yt360.media.container import open_media, time_origin_s
from yt360.media.encode import frames_from
from yt360.media.ffmpeg import compile_arguments, ffmpeg_binary, raise_for_exit
from yt360.media.probe import probe
from yt360.media.projection import to_equirectangular
from yt360.media.sound import AmbixReader, Samples, SoundReader
from yt360.media.source import Source
from yt360.media.tether import start_tethered
from yt360.media.tone_mapping import BT709_LUMA, sdr_frame
from yt360.media.tracks import main_video

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream as StoredVideo

PixelFormat = Literal["rgb24", "gray"]
Effort = Literal["exact", "quick", "keyframes"]


@dataclass(frozen=True)
class Frame:
    """A decoded picture.

    Attributes:
        time_s: When it is shown, or the instant that was asked for.
        image: uint8 (H, W, 3) RGB, or (H, W) for ``"gray"``.
    """

    time_s: float
    image: NDArray[np.uint8]


def read_frames(
    path: Path,
    *,
    fps: float | None = None,
    width: int | None = None,
    height: int | None = None,
    pixel_format: PixelFormat = "rgb24",
    start_s: float = 0.0,
    end_s: float | None = None,
    effort: Effort = "exact",
    threads: int = 1,
) -> Iterator[Frame]:
    """Iterate over the frames of a file's main video stream, upright, in order of time.

    Only frames that are handed out are scaled and converted; how much is decoded to find them is
    `effort`.

    Args:
        path: A media file.
        fps: With a rate, frame n is the one shown at ``start_s + n / fps``; without, every frame
            comes with its own time.
        width: Width of the images as shown, in pixels; by default as stored.
        height: Height of the images as shown.
        pixel_format: ``"rgb24"`` or ``"gray"``.
        start_s: First instant.
        end_s: End (half open); None for the end of the file.
        effort: ``"exact"`` decodes every frame. ``"quick"`` leaves out the frames that no other
            needs, and the smoothing of block edges: 2 to 3 times faster, and the frame of an
            instant may be a few frames old. ``"keyframes"`` decodes only frames that need no
            other: often over 10 times faster, and frames may be seconds old.
        threads: Decoder threads; 0 for as many as there are cores.

    Raises:
        BadItem: ``"no-video"``, or what `open_media` raises.
    """
    with open_media(path) as container:
        stream = main_video(container)
        if stream is None:
            raise BadItem("no-video", f"{path.name} has no picture that can be decoded")
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO"
        if effort == "quick":
            stream.codec_context.skip_frame = "NONREF"
            stream.codec_context.options |= {"skip_loop_filter": "all", "flags2": "fast"}
        elif effort == "keyframes":
            stream.codec_context.skip_frame = "NONKEY"
        timed = _decode_from(container, stream, start_s)
        chosen = _all_shown(timed, start_s) if fps is None else _at_rate(timed, start_s, fps)
        for time_s, frame in chosen:
            if end_s is not None and time_s >= end_s:
                return
            yield Frame(time_s, _image(frame, width, height, pixel_format))


def read_panorama(
    source: Source,
    *,
    fps: int,
    width: int,
    height: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    pixel_format: PixelFormat = "rgb24",
    threads: int = 1,
) -> Iterator[Frame]:
    """Iterate over a source's picture as mono equirectangular, exactly as clips would show it.

    Args:
        source: From `yt360.media.source.open_source`.
        fps: Frame n is the one shown at ``start_s + n / fps``.
        width: Width of the images in pixels.
        height: Height of the images.
        start_s: First instant.
        end_s: End (half open); by default the end of the source.
        pixel_format: ``"rgb24"`` or ``"gray"``.
        threads: Decoder threads.

    Raises:
        BadItem: ``"not-decodable"``.
    """
    stop_s = source.end_s if end_s is None else min(end_s, source.end_s)
    count = max(int(np.ceil((stop_s - start_s) * fps - 1e-6)), 0)
    picture = to_equirectangular(
        frames_from(source, start_s, fps, threads), source.picture, width, height
    )
    output = ffmpeg.output(picture, "pipe:1", format="rawvideo", pix_fmt=pixel_format)
    shape = (height, width) if pixel_format == "gray" else (height, width, 3)
    size = int(np.prod(shape))
    with tempfile.TemporaryFile() as errors:
        process = start_tethered(
            ffmpeg_binary(),
            compile_arguments(output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert process.stdout is not None
        try:
            for number in range(count):
                data = process.stdout.read(size)
                if len(data) < size:
                    break
                image = np.frombuffer(data, np.uint8).reshape(shape)
                yield Frame(start_s + number / fps, image)
            else:
                return
            code = process.wait()
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines()
            raise_for_exit(code, lines, source.video, disk_full=False)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def read_ambix(
    path: Path,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    sample_rate_hz: int = 24000,
    layout: AmbisonicFormat | None = None,
) -> tuple[Samples, int]:
    """Read the spatial sound of a file as ambiX, in time with its picture.

    Args:
        path: A media file.
        start_s: First instant of the presentation.
        duration_s: How long; None for all there is.
        sample_rate_hz: Rate of the result.
        layout: What the first sound stream's channels are; None to find the spatial stream and its
            layout by `probe`.

    Returns:
        ambiX float32 (4, S), silence where nothing was recorded, and `sample_rate_hz`.

    Raises:
        BadItem: ``"not-spatial"``, ``"no-audio"``, or what `probe` raises.
    """
    position = 0
    if layout is None or duration_s is None:
        info = probe(path)
        if not info.audio:
            raise BadItem("no-audio", f"{path.name} has no sound")
        stream = info.audio[0] if layout is not None else info.spatial_audio
        if stream is None:
            raise BadItem("not-spatial", f"{path.name} has no ambisonic sound")
        position = stream.position
        layout = layout or stream.layout.format
        duration_s = stream.end_s - start_s if duration_s is None else duration_s
    assert layout is not None
    with SoundReader(path, position) as reader:
        ambix, _ = AmbixReader(reader, layout, sample_rate_hz).read(
            round(start_s * sample_rate_hz), max(round(duration_s * sample_rate_hz), 0)
        )
    return ambix, sample_rate_hz


def _decode_from(
    container: InputContainer, stream: StoredVideo, start_s: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield frames with their times, from at or before `start_s`; damaged ones are left out."""
    origin_s = time_origin_s(container)
    assert stream.time_base is not None
    if start_s > 0:
        container.seek(int((start_s + origin_s) / stream.time_base), stream=stream)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            if frame.time is not None:
                yield frame.time - origin_s, frame


def _all_shown(
    timed: Iterator[tuple[float, VideoFrame]], start_s: float
) -> Iterator[tuple[float, VideoFrame]]:
    return ((time_s, frame) for time_s, frame in timed if time_s >= start_s)


def _at_rate(
    timed: Iterator[tuple[float, VideoFrame]], start_s: float, fps: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield, for each instant, the frame shown then; before the first frame, the first one."""
    shown: VideoFrame | None = None
    number = 0
    for time_s, frame in timed:
        # A microsecond forgives the rounding of times that fall on an instant.
        while shown is not None and start_s + number / fps < time_s - 1e-6:
            yield start_s + number / fps, shown
            number += 1
        shown = frame
        last_s = time_s
    if shown is not None:
        # The last frame is shown at least at the first instant after it.
        while start_s + number / fps <= max(last_s, start_s) + 1e-6:
            yield start_s + number / fps, shown
            number += 1


def _image(
    frame: VideoFrame, width: int | None, height: int | None, pixel_format: PixelFormat
) -> NDArray[np.uint8]:
    quarter_turns = round(frame.rotation / 90)
    if quarter_turns % 2:
        width, height = height, width
    if ColorTags.of(frame).is_foreign:
        sdr = 255 * sdr_frame(frame, width or frame.width, height or frame.height)
        sdr = sdr if pixel_format == "rgb24" else sdr @ BT709_LUMA
        return np.ascontiguousarray(np.rot90(np.round(sdr).astype(np.uint8), quarter_turns))
    scaled = frame.reformat(width=width, height=height, format=pixel_format, interpolation="AREA")
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), quarter_turns))
