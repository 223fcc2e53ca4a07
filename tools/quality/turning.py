"""A rotating camera, with audio that rotates with the image or is fixed to the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import zoom

from quality.sound_fields import AudioArray, any_direction, diffuse, plane_wave
from quality.sound_sources import any_source
from quality.videos import HEIGHT, WIDTH, Image, panorama
from yt360.media.video.frame_triplets import (
    FRAME_STEP_S,
    FRAMES_PER_TRIPLET,
    SMALL_HEIGHT,
    SMALL_WIDTH,
    FrameTriplet,
)


@dataclass(frozen=True)
class TurningExample:
    """A recording with a rotating camera.

    Attributes:
        audio: ambiX (4, S).
        rate_hz: Its sampling rate.
        frames: Frames for the checks.
        fixed: Whether the sources are fixed to the head.
    """

    audio: AudioArray
    rate_hz: int
    frames: list[FrameTriplet]
    fixed: bool


def make_turning(
    rng: np.random.Generator, fixed: bool, duration_s: float, rate_hz: int
) -> TurningExample:
    """Return a generated recording in which the camera turns by 10 to 30 degrees per second.

    Args:
        rng: Source of randomness.
        fixed: Whether the sources are fixed to the head instead of to the world.
        duration_s: Length.
        rate_hz: Sampling rate of the audio.
    """
    samples = int(duration_s * rate_hz)
    speed = np.radians(rng.uniform(10, 30)) * rng.choice([-1, 1])
    time_s = np.arange(samples) / rate_hz
    audio = 0.1 * diffuse(rng, samples, rate_hz)
    for way in any_direction(rng, int(rng.integers(1, 4)), 0.3):
        angle = np.zeros(samples) if fixed else speed * time_s
        x = way[0] * np.cos(angle) - way[1] * np.sin(angle)
        y = way[0] * np.sin(angle) + way[1] * np.cos(angle)
        ways = np.stack([x, y, np.full(samples, way[2])])
        audio += plane_wave(any_source(rng, samples, rate_hz), ways)
    audio *= 0.5 / np.abs(audio).max()
    world = panorama(rng)
    frames = list(_frames(world, speed, duration_s))
    return TurningExample(audio, rate_hz, frames, fixed)


def _frames(world: Image, speed: float, duration_s: float) -> Iterator[FrameTriplet]:
    for start_s in np.arange(0, duration_s - 1, 1.0):
        times_s = start_s + FRAME_STEP_S * np.arange(FRAMES_PER_TRIPLET)
        frames = [_turned(world, speed * time_s) for time_s in times_s]
        yield FrameTriplet(float(start_s), np.stack(frames))


def _turned(world: Image, angle: float) -> Image:
    """Return the small image in which all azimuths have grown by `angle`."""
    shifted = np.roll(world, -round(angle / (2 * np.pi) * WIDTH), axis=1)
    small = zoom(shifted, (SMALL_HEIGHT / HEIGHT, SMALL_WIDTH / WIDTH), order=1)
    return np.asarray(small, dtype=np.float32)
