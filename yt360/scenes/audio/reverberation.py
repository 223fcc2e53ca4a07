"""Reverberation: reflections from the nearest surfaces, then a diffuse, decaying tail.

First-order image sources (Allen and Berkley, "Image method for efficiently simulating small-room
acoustics", JASA 1979) arrive from their own directions. The tail's level and the surfaces'
absorption follow from the reverberation time by Sabine's formula and the critical distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from yt360.scenes.video.grounds import EYE_HEIGHT_M
from yt360.scenes.video.hall import Hall
from yt360.scenes.video.places import Place

Array = NDArray[np.floating]
SPEED_OF_SOUND_M_S = 343.0
# Most sources radiate more towards the listener than away.
DIRECTIVITY = 2.0
OPEN_VOLUME_M3, OPEN_SURFACE_M2 = 9000.0, 3000.0
GROUND_REFLECTION = 0.5
TAIL_KNEE_HZ = 3500.0


@dataclass(frozen=True)
class Room:
    """The acoustics of a place.

    Attributes:
        walls: Reflecting planes as (axis, position along it in m); the listener is at the origin.
        reflection: Amplitude factor of a reflection.
        reverberation_s: Reverberation time (RT60).
        critical_m: Distance at which the direct sound and the tail are equally strong.
        delay_s: Start of the tail after the direct sound.
    """

    walls: tuple[tuple[int, float], ...]
    reflection: float
    reverberation_s: float
    critical_m: float
    delay_s: float


def room_of(place: Place, reverberation_s: float) -> Room:
    """Return the acoustics of a place; outdoors, only the ground reflects."""
    walls: tuple[tuple[int, float], ...]
    if isinstance(place.backdrop, Hall):
        x, y = (float(half) for half in place.backdrop.half_size_m)
        top = place.backdrop.ceiling_m
        walls = ((0, x), (0, -x), (1, y), (1, -y), (2, top), (2, -EYE_HEIGHT_M))
        height = top + EYE_HEIGHT_M
        volume = 4 * x * y * height
        surface = 8 * x * y + 4 * (x + y) * height
        absorption = min(0.161 * volume / (surface * reverberation_s), 0.95)
        reflection = float(np.sqrt(1 - absorption))
    else:
        walls = ((2, -EYE_HEIGHT_M),)
        volume, surface, reflection = OPEN_VOLUME_M3, OPEN_SURFACE_M2, GROUND_REFLECTION
    critical_m = 0.057 * np.sqrt(DIRECTIVITY * volume / reverberation_s)
    delay_s = 4 * volume / surface / SPEED_OF_SOUND_M_S
    return Room(walls, reflection, reverberation_s, float(critical_m), delay_s)


def images(room: Room, positions: Array) -> list[tuple[Array, Array, Array]]:
    """Return the first-order reflections of a source.

    Args:
        room: The room.
        positions: (T, 3) of the source over time, metres.

    Returns:
        For each wall: directions (T, 3), delays (T,) in seconds after the direct sound, and gains
        (T,) relative to it.
    """
    direct = np.linalg.norm(positions, axis=-1)
    reflections = []
    for axis, wall in room.walls:
        image = positions.copy()
        image[:, axis] = 2 * wall - image[:, axis]
        distance = np.linalg.norm(image, axis=-1)
        delay = np.maximum(distance - direct, 0) / SPEED_OF_SOUND_M_S
        gain = room.reflection * direct / distance
        reflections.append((image / distance[:, None], delay, gain))
    return reflections


def delayed(signal: NDArray[np.float32], delay_samples: Array) -> NDArray[np.float32]:
    """Delay a signal (S,) by varying numbers of samples (S,), with linear interpolation."""
    position = np.arange(len(signal)) - delay_samples
    before = np.floor(position).astype(np.int64)
    part = (position - before).astype(np.float32)
    padded = np.concatenate([np.zeros(1, np.float32), signal])
    first = padded[np.clip(before + 1, 0, len(signal))]
    second = padded[np.clip(before + 2, 0, len(signal))]
    return first + part * (second - first)


def tail(
    generator: np.random.Generator, room: Room, signal: NDArray[np.float32], sample_rate_hz: int
) -> NDArray[np.float32]:
    """Return the diffuse tail (4, S) in ambiX.

    Args:
        generator: Source of the noise.
        room: The room.
        signal: (S,) sum of the sources, each times its distance over the room's critical distance.
        sample_rate_hz: Sample rate.
    """
    length = max(2, int(1.1 * room.reverberation_s * sample_rate_hz))
    times = np.arange(length, dtype=np.float32) / sample_rate_hz
    noise = generator.standard_normal((4, length), dtype=np.float32)
    low = _low_pass(noise, sample_rate_hz)
    # Air and surfaces absorb high frequencies about twice as fast.
    fall = np.exp(-3 * np.log(10) / room.reverberation_s * times).astype(np.float32)
    response = low * fall + (noise - low) * fall**2
    response /= np.sqrt(np.square(response[0]).sum())
    response[1:] /= np.sqrt(3)
    delay = round(room.delay_s * sample_rate_hz)
    return _convolved(signal, np.pad(response, ((0, 0), (delay, 0))))


def _low_pass(noise: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """Attenuate frequencies above the knee by 6 dB per octave."""
    spectrum = rfft(noise, axis=-1)
    gain = 1 / np.hypot(1, rfftfreq(noise.shape[-1], 1 / sample_rate_hz) / TAIL_KNEE_HZ)
    return irfft(spectrum * gain.astype(np.float32), noise.shape[-1], axis=-1)


def _convolved(signal: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convolve a signal (S,) with responses (C, L); the result is (C, S)."""
    length = next_fast_len(len(signal) + response.shape[-1] - 1, real=True)
    spectra = rfft(signal, length) * rfft(response, length, axis=-1)
    return irfft(spectra, length, axis=-1)[:, : len(signal)].astype(np.float32)
