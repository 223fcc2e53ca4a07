"""True sound fields: plane waves, rooms and ambience, ambiX (4, S).

A true sound field is a sum of plane waves: each source arrives directly, by a few early
reflections and by a diffuse tail, and independent noise from everywhere may lie under it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve

from quality.sound_sources import Signal, any_source, slow_swell

AudioArray = NDArray[np.float64]

DIFFUSE_GAINS = np.array([1.0, 3**-0.5, 3**-0.5, 3**-0.5])


@dataclass(frozen=True)
class Room:
    """How a source reaches the microphone.

    Attributes:
        reverberation_s: Time in which the tail falls by 60 dB; 0 for a dry place.
        direct_to_reverberant_db: Energy of the direct sound over all else.
        reflections: Number of early reflections, each a plane wave.
    """

    reverberation_s: float = 0.0
    direct_to_reverberant_db: float = 6.0
    reflections: int = 12


def any_direction(rng: np.random.Generator, count: int, flatness: float = 1.0) -> AudioArray:
    """Return unit vectors (count, 3), more of them near the horizon for `flatness` below 1."""
    vectors = rng.standard_normal((count, 3)) * np.array([1.0, 1.0, flatness])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def plane_wave(signal: Signal, directions: AudioArray) -> AudioArray:
    """Encode (S,) from direction (3,) or, moving, (3, S) to ambiX (4, S)."""
    x, y, z = directions
    ones = np.ones_like(signal)
    return signal * np.stack([ones, y * ones, z * ones, x * ones])


def diffuse(rng: np.random.Generator, samples: int, rate_hz: int) -> AudioArray:
    """Return diffuse noise (4, S), with W at about 1 rms.

    The four channels are independent, but share one spectrum and one envelope, like a distant sea
    or crowd on all sides.
    """
    colour, swell = rng.uniform(0.0, 0.98), slow_swell(rng, samples, rate_hz)
    hiss = lfilter([1.0], [1.0, -colour], rng.standard_normal((4, samples)), axis=1)
    return np.asarray(DIFFUSE_GAINS[:, None] * hiss / hiss.std() * swell)


def impulse_response(
    rng: np.random.Generator, direction: AudioArray, room: Room, rate_hz: int
) -> AudioArray:
    """Return the ambiX response (4, N) of a room to a source at `direction`."""
    samples = max(int(room.reverberation_s * rate_hz), 1)
    late = np.zeros((4, samples))
    if room.reverberation_s > 0:
        time_s = np.arange(samples) / rate_hz
        decay = 10 ** (-3 * time_s / room.reverberation_s) * (time_s > 0.02)
        late = DIFFUSE_GAINS[:, None] * rng.standard_normal((4, samples)) * decay
        late = lfilter([0.5], [1, -0.5], late, axis=1)
        late *= np.sqrt(0.5 / max(float(np.sum(late[0] ** 2)), 1e-12))
        delays_s = rng.uniform(0.002, 0.06, room.reflections)
        gains = rng.choice([-1, 1], room.reflections) * np.exp(-delays_s / 0.03)
        gains *= np.sqrt(0.5 / np.sum(gains**2))
        for delay_s, gain, way in zip(
            delays_s, gains, any_direction(rng, room.reflections), strict=True
        ):
            at = min(int(delay_s * rate_hz) + 1, samples - 1)
            late[:, at] += gain * np.array([1, way[1], way[2], way[0]])
        late *= 10 ** (-room.direct_to_reverberant_db / 20)
    late[:, 0] += np.array([1, direction[1], direction[2], direction[0]])
    return late


def scene(
    rng: np.random.Generator,
    sources: int,
    samples: int,
    rate_hz: int,
    room: Room,
    ambience_db: float = -60.0,
    flatness: float = 0.5,
    moving: bool = False,
) -> AudioArray:
    """Return a true sound field, ambiX (4, S).

    Args:
        rng: Source of randomness.
        sources: Number of sources, each of a random kind, level and direction.
        samples: Length.
        rate_hz: Sampling rate.
        room: Reverberation that they share.
        ambience_db: Level of diffuse noise under them, relative to one source.
        flatness: 0 puts all sources on the horizon, 1 spreads them over the sphere.
        moving: Whether (dry) sources travel around the listener.
    """
    audio = np.zeros((4, samples))
    for way in any_direction(rng, sources, flatness):
        signal = 10 ** (rng.uniform(-10, 0) / 20) * any_source(rng, samples, rate_hz)
        if moving:
            turn = np.cumsum(np.full(samples, rng.uniform(-1.5, 1.5) / rate_hz))
            x = way[0] * np.cos(turn) - way[1] * np.sin(turn)
            y = way[0] * np.sin(turn) + way[1] * np.cos(turn)
            audio += plane_wave(signal, np.stack([x, y, np.full(samples, way[2])]))
        else:
            response = impulse_response(rng, way, room, rate_hz)
            audio += oaconvolve(signal[None], response, axes=1)[:, :samples]
    return audio + 10 ** (ambience_db / 20) * diffuse(rng, samples, rate_hz)


def any_scene(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """Return a scene with random settings and the settings."""
    reverberation_s = float(rng.choice([0.0, rng.uniform(0.15, 0.5), rng.uniform(0.5, 1.5)]))
    room = Room(reverberation_s, rng.uniform(-6, 15), int(rng.integers(4, 20)))
    facts = {
        "sources": float(rng.choice([1, 2, 3, 5, 8, 16])),
        "reverberation_s": reverberation_s,
        "ambience_db": float(rng.choice([-60, rng.uniform(-40, -15), rng.uniform(-15, 10)])),
        "flatness": float(rng.choice([0.0, 0.3, 1.0])),
        "moving": float(reverberation_s == 0 and rng.random() < 0.4),
    }
    audio = scene(
        rng, int(facts["sources"]), samples, rate_hz, room,
        facts["ambience_db"], facts["flatness"], bool(facts["moving"]),
    )  # fmt: skip
    return audio, facts
