"""Sound fields as real microphones record them: gains that differ between octaves, and a floor.

The figures are those of labelled recordings: recorders of the kind of a Zoom H2n have no Z, and a W
that falls with frequency; cameras have weak X, Y and Z; a near source over a floor arrives twice.
"""

from __future__ import annotations

import numpy as np

from quality.sound_fields import AudioArray, Room, any_direction, any_scene, diffuse, scene
from quality.sound_sources import any_source

Facts = dict[str, float]


def h2n(rng: np.random.Generator, samples: int, rate_hz: int) -> tuple[AudioArray, Facts]:
    """A horizontal recorder: Z is zero, W falls with frequency."""
    audio = scene(
        rng, int(rng.integers(1, 8)), samples, rate_hz, _any_room(rng),
        float(rng.uniform(-30, 0)), flatness=0.0,
    )  # fmt: skip
    audio[2] = 0
    gain_db, tilt_db = float(rng.uniform(-4, 0)), float(rng.uniform(-2, 0))
    return _with_gain(rng, audio, rate_hz, [0], gain_db, tilt_db), {"w_gain_db": gain_db}


def camera_mics(rng: np.random.Generator, samples: int, rate_hz: int) -> tuple[AudioArray, Facts]:
    """The microphones of a camera: X, Y and Z are low."""
    audio, facts = any_scene(rng, samples, rate_hz)
    gain_db, tilt_db = float(rng.uniform(-4, -2)), float(rng.uniform(-0.5, 0.5))
    return _with_gain(rng, audio, rate_hz, [1, 2, 3], gain_db, tilt_db), facts


def w_low(rng: np.random.Generator, samples: int, rate_hz: int) -> tuple[AudioArray, Facts]:
    """A W that is about 3 dB low, in ACN order."""
    audio, facts = any_scene(rng, samples, rate_hz)
    gain_db, tilt_db = float(rng.uniform(-4, -2)), float(rng.uniform(-0.5, 0.5))
    return _with_gain(rng, audio, rate_hz, [0], gain_db, tilt_db), facts


def near_floor(rng: np.random.Generator, samples: int, rate_hz: int) -> tuple[AudioArray, Facts]:
    """One near source, its reflection from the floor, and weak ambience."""
    (direction,) = any_direction(rng, 1, 0.2)
    height_m, distance_m = rng.uniform(0.5, 1.6), rng.uniform(1.0, 3.0)
    below = np.array([direction[0], direction[1], -2 * height_m / distance_m])
    below /= np.linalg.norm(below)
    detour_m = np.hypot(distance_m, 2 * height_m) - distance_m
    gain = rng.uniform(0.4, 0.8) * distance_m / (distance_m + detour_m)
    response = np.zeros((4, int(detour_m / 343 * rate_hz) + 2))
    response[:, 0] = 1, direction[1], direction[2], direction[0]
    response[:, -1] = gain * np.array([1, below[1], below[2], below[0]])
    signal = any_source(rng, samples, rate_hz)
    audio = np.stack([np.convolve(signal, each)[:samples] for each in response])
    audio += 10 ** (rng.uniform(-35, -15) / 20) * diffuse(rng, samples, rate_hz)
    return audio, {"reflection": float(gain), "detour_m": float(detour_m)}


def fuma(rng: np.random.Generator, samples: int, rate_hz: int) -> tuple[AudioArray, Facts]:
    """A horizontal recording in the order W X Y Z, with W about 3 dB low and a leak of Y in Z.

    Four channels do not show this order if Z is audible.
    """
    audio = scene(
        rng, int(rng.integers(2, 8)), samples, rate_hz, _any_room(rng),
        float(rng.uniform(-30, 0)), flatness=0.0,
    )  # fmt: skip
    leak_db = float(rng.choice([-200, rng.uniform(-60, -30)]))
    gain_db = float(rng.uniform(-4, -1))
    audio = _with_gain(rng, audio, rate_hz, [0], gain_db, float(rng.uniform(-0.5, 0.5)))
    leak = 10 ** (leak_db / 20) * audio[1]
    return np.stack([audio[0], audio[3], audio[1], leak]), {"leak_db": leak_db}


def _any_room(rng: np.random.Generator) -> Room:
    return Room(float(rng.choice([0.0, rng.uniform(0.15, 0.6)])), float(rng.uniform(0, 15)))


def _with_gain(
    rng: np.random.Generator,
    audio: AudioArray,
    rate_hz: int,
    channels: list[int],
    gain_db: float,
    tilt_db: float,
) -> AudioArray:
    """Return audio (4, S) with a gain at 600 Hz, a tilt per octave, and a wander of 0.4 dB."""
    octaves = np.arange(-4.0, 6.0)
    gains_db = gain_db + tilt_db * np.clip(octaves, -1, 3) + rng.normal(0, 0.4, len(octaves))
    frequencies = np.fft.rfftfreq(audio.shape[1], 1 / rate_hz)
    position = np.log2(np.maximum(frequencies, 20.0) / 600)
    gain = 10 ** (np.interp(position, octaves, gains_db) / 20)
    changed = audio.copy()
    changed[channels] = np.fft.irfft(np.fft.rfft(audio[channels]) * gain, n=audio.shape[1], axis=-1)
    return changed
