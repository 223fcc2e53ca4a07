"""A camera that turns, with sound that turns with the picture or is fixed to the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import zoom

from quality.sound_fields import Sound, any_direction, diffuse, plane_wave
from quality.sound_sources import any_source
from quality.videos import HEIGHT, WIDTH, Image, panorama
from yt360.media.video.frame_triplets import FRAME_STEP_S, FRAMES_PER_TRIPLET, FrameTriplet
from yt360.media.video.frame_triplets import HEIGHT as SMALL_HEIGHT
from yt360.media.video.frame_triplets import WIDTH as SMALL_WIDTH


@dataclass(frozen=True)
class TurningExample:
    """A turning camera.

    Attributes:
        sound: ambiX (4, S).
        rate_hz: Its sampling rate.
        probes: What the picture test sees of it.
        fixed: Whether the sources ignore the turn.
    """

    sound: Sound
    rate_hz: int
    probes: list[FrameTriplet]
    fixed: bool


def make_turning(
    rng: np.random.Generator, fixed: bool, duration_s: float, rate_hz: int
) -> TurningExample:
    """Return a made recording in which the camera turns at 10 to 30 degrees a second.

    Args:
        rng: Where all draws come from.
        fixed: Whether the sources are fixed to the head instead of to the world.
        duration_s: Length.
        rate_hz: Sampling rate of the sound.
    """
    samples = int(duration_s * rate_hz)
    speed = np.radians(rng.uniform(10, 30)) * rng.choice([-1, 1])
    time_s = np.arange(samples) / rate_hz
    sound = 0.1 * diffuse(rng, samples, rate_hz)
    for way in any_direction(rng, int(rng.integers(1, 4)), 0.3):
        angle = np.zeros(samples) if fixed else speed * time_s
        x = way[0] * np.cos(angle) - way[1] * np.sin(angle)
        y = way[0] * np.sin(angle) + way[1] * np.cos(angle)
        ways = np.stack([x, y, np.full(samples, way[2])])
        sound += plane_wave(any_source(rng, samples, rate_hz), ways)
    sound *= 0.5 / np.abs(sound).max()
    world = panorama(rng)
    probes = list(_probes(world, speed, duration_s))
    return TurningExample(sound, rate_hz, probes, fixed)


def _probes(world: Image, speed: float, duration_s: float) -> Iterator[FrameTriplet]:
    for start_s in np.arange(0, duration_s - 1, 1.0):
        times_s = start_s + FRAME_STEP_S * np.arange(FRAMES_PER_TRIPLET)
        frames = [_turned(world, speed * time_s) for time_s in times_s]
        yield FrameTriplet(float(start_s), np.stack(frames))


def _turned(world: Image, angle: float) -> Image:
    """Return the small picture in which the azimuth of everything has grown by `angle`."""
    shifted = np.roll(world, -round(angle / (2 * np.pi) * WIDTH), axis=1)
    small = zoom(shifted, (SMALL_HEIGHT / HEIGHT, SMALL_WIDTH / WIDTH), order=1)
    return np.asarray(small, dtype=np.float32)
