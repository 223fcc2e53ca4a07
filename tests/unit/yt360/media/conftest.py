"""Media files made on the spot: pictures that carry their frame number, sound that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

BLOCK = 8
WIDTH, HEIGHT = 96, 48
BITS = WIDTH // BLOCK


def numbered_frame(number: int) -> np.ndarray:
    """Return a grey picture (HEIGHT, WIDTH) whose columns of blocks are the bits of a number."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.where(bits, 235, 16), BLOCK).astype(np.uint8)
    return np.tile(row, (HEIGHT, 1))


def number_of(image: np.ndarray) -> int:
    """Return the number in a picture of any size made by `numbered_frame`."""
    grey = image if image.ndim == 2 else image.mean(axis=2)
    columns = (np.arange(BITS) + 0.5) * grey.shape[1] / BITS
    values = grey[grey.shape[0] // 4 : -grey.shape[0] // 4, columns.astype(int)].mean(axis=0)
    return int(sum(1 << bit for bit, value in enumerate(values) if value > 125))


def _picture_frames(
    pictures: Callable[[int], np.ndarray], count: int, rate: Fraction, start: int
) -> Iterator[av.VideoFrame]:
    for number in range(count):
        image = pictures(number)
        if image.ndim == 2:
            # As FFmpeg converts a grey image, but without a new scaler for every frame.
            luma = np.round(16 + image * (219 / 255)).astype(np.uint8)
            height, width = image.shape
            planes = np.full((height + height // 2, width), 128, np.uint8)
            planes[:height] = luma
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        else:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = number + start, 1 / rate
        yield frame


def _sound_frames(
    sound: np.ndarray, rate: int, start: int, form: str, layout: str
) -> Iterator[av.AudioFrame]:
    for first in range(0, sound.shape[1], 1024):
        block = sound[:, first : first + 1024]
        if form == "fltp":
            stored = np.ascontiguousarray(block, dtype=np.float32)
        else:
            scaled = np.clip(np.round(block * 32768), -32768, 32767).astype(np.int16)
            if form in ("s32", "s32p"):
                scaled = scaled.astype(np.int32) << 16
            stored = scaled if form.endswith("p") else scaled.T.reshape(1, -1)
            stored = np.ascontiguousarray(stored)
        frame = av.AudioFrame.from_ndarray(stored, format=form, layout=layout)
        frame.sample_rate, frame.pts = rate, first + start
        frame.time_base = Fraction(1, rate)
        yield frame


_LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1", 16: "hexadecagonal"}


def write_media(
    path: Path,
    *,
    fps: str | int | None = 24,
    seconds: float = 2.0,
    pictures: Callable[[int], np.ndarray] = numbered_frame,
    video_start_s: float = 0.0,
    video_codec: str = "libx264",
    sound: np.ndarray | None = None,
    sample_rate_hz: int = 48000,
    sound_start_s: float = 0.0,
    sound_codec: str = "aac",
    audio_layout: str | None = None,
    sound_options: dict[str, str] | None = None,
    rotation_deg: int = 0,
    gop: int = 48,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a media file; ``fps=None`` for no picture, ``sound=None`` for no sound.

    `sound` is float (C, S) with full scale 1. Starts are rounded to whole frames and samples.
    """
    with av.open(f"file:{path}", "w", options=options or {}) as container:
        streams: list[tuple[Any, Iterator[Any]]] = []
        if fps is not None:
            rate = Fraction(fps)
            video = container.add_stream(video_codec, rate=rate)
            shape = pictures(0).shape
            video.width, video.height, video.pix_fmt = shape[1], shape[0], "yuv420p"
            # B-frames where a container can tell their times; AVI cannot.
            b_frames = "2" if video_codec.startswith("libx26") else "0"
            video.options = {"crf": "8", "preset": "ultrafast", "bf": b_frames, "g": str(gop)}
            video.codec_context.time_base = 1 / rate
            if rotation_deg:
                video.set_display_rotation(rotation_deg)
            start = round(video_start_s * rate)
            frames = _picture_frames(pictures, max(int(seconds * rate), 1), rate, start)
            streams.append((video, frames))
        if sound is not None:
            audio = container.add_stream(sound_codec, rate=sample_rate_hz)
            audio.layout = audio_layout or _LAYOUTS[sound.shape[0]]
            # Without this, FFmpeg's AAC encoder replaces noise by a note to make some up.
            audio.options = sound_options or ({"aac_pns": "0"} if sound_codec == "aac" else {})
            start = round(sound_start_s * sample_rate_hz)
            frames = _sound_frames(
                sound, sample_rate_hz, start, audio.format.name, audio.layout.name
            )
            streams.append((audio, frames))
        for stream, frames in streams:
            for frame in frames:
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def plane_waves(
    directions: list[tuple[float, float, float]], seconds: float, rate: int = 48000, seed: int = 0
) -> np.ndarray:
    """Return ambiX (4, S) of independent noises, one from each direction (x, y, z)."""
    generator = np.random.default_rng(seed)
    field = np.zeros((4, round(seconds * rate)))
    for x, y, z in directions:
        norm = (x * x + y * y + z * z) ** 0.5
        noise = generator.standard_normal(field.shape[1])
        noise = np.convolve(noise, np.ones(4) / 4, mode="same") * 0.1
        field += noise * np.array([[1.0], [y / norm], [z / norm], [x / norm]])
    return field.astype(np.float32)


def clicks(times_s: list[float], seconds: float, rate: int = 48000) -> np.ndarray:
    """Return ambiX (4, S) with a click from the front at each time; its peak is at that time."""
    wave = np.zeros(round(seconds * rate), np.float32)
    shape = 0.8 * np.hanning(65)
    for time_s in times_s:
        first = round(time_s * rate) - 32
        wave[first : first + 65] += shape
    return np.stack([wave, 0 * wave, 0 * wave, wave])


def click_time_s(wave: np.ndarray, rate: int, near_s: float) -> float:
    """Return the centre of energy of the sound within 50 ms of `near_s`."""
    first = max(round((near_s - 0.05) * rate), 0)
    power = np.square(wave[first : round((near_s + 0.05) * rate)], dtype=np.float64)
    return (first + float((np.arange(len(power)) * power).sum() / power.sum())) / rate


class Media:
    """What tests of media need, as one fixture."""

    write = staticmethod(write_media)
    plane_waves = staticmethod(plane_waves)
    clicks = staticmethod(clicks)
    click_time_s = staticmethod(click_time_s)
    numbered_frame = staticmethod(numbered_frame)
    SQUARE = np.full((64, 64), 90, np.uint8)
    number_of = staticmethod(number_of)
    SIX_DIRECTIONS = ((1, 0, 0), (0, 1, 0), (-1, 0, 0.3), (0, -1, 0), (0.5, 0.5, 1), (1, -1, -0.5))


@pytest.fixture(scope="session")
def media() -> type[Media]:
    return Media


@pytest.fixture(scope="session")
def field() -> np.ndarray:
    """Two seconds of ambiX (4, S) at 48 kHz from six directions."""
    return plane_waves(list(Media.SIX_DIRECTIONS), 2.0)
