"""Made recordings for the search for duplicates: a place in which something moves, with audio."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile

from yt360.duplicates import audio, picture
from yt360.duplicates.fingerprint import Fingerprint, RecordingFacts
from yt360.randomness import keyed_generator

RATE_HZ = audio.SAMPLE_RATE_HZ
SECONDS, FPS = 6, 12
"""Of written media."""


def place(seed: int, height: int = picture.HEIGHT, width: int = picture.WIDTH) -> np.ndarray:
    """Return a background (H, W): a random image whose detail falls off with frequency."""
    noise = keyed_generator(seed, "place").standard_normal((height, width))
    rows, columns = np.fft.fftfreq(height) * height, np.fft.fftfreq(width) * width
    falloff = 1 / (1 + np.hypot(rows[:, None], columns))
    image = np.fft.ifft2(np.fft.fft2(noise) * falloff).real
    return 128 + 35 * (image - image.mean()) / image.std()


def film(background: np.ndarray, seed: int, seconds: float, fps: int = picture.FPS) -> np.ndarray:
    """Return frames (T, H, W) uint8 of a place where three bright things wander."""
    height, width = background.shape
    draws = keyed_generator(seed, "film")
    times = np.arange(round(seconds * fps)) / fps
    y, x = np.mgrid[:height, :width]
    frames = np.repeat(background[None], len(times), 0)
    for _ in range(3):
        start, speed, phase, pace = draws.uniform(0, 1, 4)
        at = width * (start + (0.05 + 0.1 * speed) * times + 0.05 * np.sin(6 * pace * times))
        row = height * (0.5 + 0.2 * np.sin((1 + 3 * pace) * times + 6 * phase))
        apart = (x - at[:, None, None] + width / 2) % width - width / 2
        distance = np.hypot(apart, y - row[:, None, None]) / (0.04 * width)
        frames = frames + 45 * np.exp(-(distance**2))
    return np.clip(frames, 0, 255).astype(np.uint8)


def sound(seed: int, seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return audio (S,): notes that change a few times a second, over noise."""
    draws = keyed_generator(seed, "sound")
    count = round(seconds * rate_hz)
    samples = 0.01 * draws.standard_normal(count)
    for start_s in np.arange(0, seconds, 0.15):
        note = np.arange(round(min(0.5, seconds - start_s) * rate_hz)) / rate_hz
        first = round(start_s * rate_hz)
        tone = np.sin(2 * np.pi * draws.uniform(200, 3000) * note) * np.exp(-8 * note)
        samples[first : first + len(note)] += 0.2 * tone[: count - first]
    return samples.astype(np.float32)


def recording(
    name: str, frames: np.ndarray, samples: np.ndarray | None = None, start_s: float = 0.0
) -> Fingerprint:
    """Return the fingerprint of frames (T, H, W), with audio or without."""
    blocks = [] if samples is None else [samples]
    facts = RecordingFacts(video_id=name, start_s=start_s)
    return Fingerprint(facts, frames[:, picture.ROWS], audio.audio_features(blocks))


def write_media(folder: Path, columns: int = 0, crf: int = 18, size: int = 2) -> tuple[Path, Path]:
    """Write a video, turned to the right by `columns`, and its audio beside it."""
    frames = np.roll(film(place(1), 1, SECONDS, FPS), columns, axis=2)
    frames = frames.repeat(2 * size, 1).repeat(2 * size, 2)
    folder.mkdir()
    with av.open(str(folder / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "gray")))
        container.mux(stream.encode(None))
    rate = 16_000
    ambix = np.zeros((SECONDS * rate, 4), np.float32)
    ambix[:, 0] = sound(1, SECONDS, rate)
    ambix[:, 1:] = 0.4 * ambix[:, :1]
    soundfile.write(folder / "video.wav", ambix, rate)
    return folder / "video.mp4", folder / "video.wav"
