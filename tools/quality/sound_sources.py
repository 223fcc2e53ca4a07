"""Synthetic sound sources: speech-like, music-like, impacts, noise, engines, birds.

They have the statistics that the quality checks measure (sparsity in time and frequency,
correlation with other sources) and are not meant for listening. Every function takes a generator, a
length in samples and a sampling rate, and returns float64 (S,) with a root mean square of about 1
while the source sounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, lfilter, sosfilt

Signal = NDArray[np.float64]


def voice(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Speech-like: a pulse train with a gliding pitch through moving formants, with pauses."""
    syllables = _steps(rng, samples, rate_hz, 0.12, 0.3)
    pitch_hz = rng.uniform(85, 240) * 2 ** (0.15 * smooth(syllables, 0.03 * rate_hz))
    phase = np.cumsum(pitch_hz / rate_hz)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.02 * rng.standard_normal(samples)
    sound = np.zeros(samples)
    for centre_hz, gain in ((500, 1.0), (1500, 0.5), (2500, 0.3)):
        formant = centre_hz * rng.uniform(0.8, 1.25)
        radius = np.exp(-np.pi * rng.uniform(60, 140) / rate_hz)
        angle = 2 * np.pi * formant / rate_hz
        sound += gain * lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], pulses)
    hiss = sosfilt(_band(3000, 0.45 * rate_hz, rate_hz), rng.standard_normal(samples))
    speaks = _steps(rng, samples, rate_hz, 0.4, 1.5) > -0.8
    loud = np.maximum(_steps(rng, samples, rate_hz, 0.1, 0.25) + 0.7, 0.0) * speaks
    hissing = (_steps(rng, samples, rate_hz, 0.06, 0.2) > 1.0) * speaks
    envelope = smooth(loud, 0.012 * rate_hz)
    return _unit(_unit(sound) * envelope + 0.3 * hiss * smooth(hissing * 1.0, 0.01 * rate_hz))


def music(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Music-like: chords of decaying harmonic notes on a beat, with a soft drum."""
    beat = int(rate_hz * rng.uniform(0.25, 0.6))
    root_hz = 55 * 2 ** rng.uniform(0, 1)
    time_s = np.arange(4 * beat) / rate_hz
    sound = np.zeros(samples + 4 * beat)
    for start in range(0, samples, beat):
        for _ in range(int(rng.integers(1, 4))):
            note_hz = root_hz * 2 ** (rng.choice([0, 3, 5, 7, 10, 12, 15, 19, 24]) / 12)
            decay = np.exp(-time_s * rng.uniform(1.5, 6))
            phases = rng.uniform(0, 2 * np.pi, int(min(12, 0.4 * rate_hz / note_hz)))
            weights = (np.arange(len(phases)) + 1.0) ** -1.1 * np.exp(1j * phases)
            note = _harmonics(2 * np.pi * note_hz * time_s, weights)
            sound[start : start + 4 * beat] += decay * note
        if rng.random() < 0.6:
            drum = rng.standard_normal(4 * beat) * np.exp(-time_s * 40)
            sound[start : start + 4 * beat] += rng.uniform(0.5, 2) * drum
    return _unit(sound[:samples])


def impacts(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Steps, knocks, dishes: short decaying noise bursts with a resonance at random times."""
    length = int(0.3 * rate_hz)
    time_s = np.arange(length) / rate_hz
    sound = np.zeros(samples + length)
    for _ in range(max(2, int(samples / rate_hz * rng.uniform(1.5, 5)))):
        start = int(rng.integers(samples))
        ring = np.sin(2 * np.pi * rng.uniform(200, 3000) * time_s)
        burst = (rng.standard_normal(length) + 2 * ring) * np.exp(-time_s * rng.uniform(15, 80))
        sound[start : start + length] += rng.uniform(0.3, 1) * burst
    return _unit(sound[:samples])


def noise(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Water, wind, a crowd: coloured noise with a slow swell."""
    slope = rng.uniform(0.0, 0.98)
    coloured = lfilter([1.0], [1.0, -slope], rng.standard_normal(samples))
    return _unit(coloured * slow_swell(rng, samples, rate_hz))


def slow_swell(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Return a slow loudness modulation (S,) around 1."""
    return np.exp(0.5 * smooth(_steps(rng, samples, rate_hz, 0.5, 2), 0.3 * rate_hz))


def engine(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """A motor: many harmonics of a slowly wandering low tone, and some noise."""
    wander = smooth(_steps(rng, samples, rate_hz, 0.5, 2), 0.4 * rate_hz)
    phase = np.cumsum(rng.uniform(40, 120) * 2 ** (0.1 * wander)) / rate_hz
    weights = rng.uniform(0.2, 1, 24) / np.arange(1, 25) ** 0.7
    sound = _harmonics(2 * np.pi * phase, weights)
    return _unit(_unit(sound) + 0.2 * rng.standard_normal(samples))


def birds(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Birds: short gliding whistles with pauses."""
    length = int(0.2 * rate_hz)
    time_s = np.arange(length) / rate_hz
    window = np.hanning(length)
    sound = np.zeros(samples + length)
    for _ in range(max(2, int(samples / rate_hz * rng.uniform(2, 5)))):
        start = int(rng.integers(samples))
        sweep = rng.uniform(1500, 5000) * time_s + rng.uniform(-6000, 6000) * time_s**2
        sound[start : start + length] += window * np.sin(2 * np.pi * sweep)
    return _unit(sound[:samples] + 1e-3 * rng.standard_normal(samples))


def _harmonics(phase: Signal, weights: NDArray[np.inexact]) -> Signal:
    """Return the sum over n of the imaginary part of ``weights[n - 1] * exp(1j * n * phase)``."""
    turn = np.exp(1j * phase)
    total = np.zeros_like(turn)
    for weight in weights[::-1]:  # Horner's rule: no sine for each harmonic
        total += weight
        total *= turn
    return np.asarray(total.imag)


KINDS: dict[str, Callable[[np.random.Generator, int, int], Signal]] = {
    "voice": voice,
    "music": music,
    "impacts": impacts,
    "noise": noise,
    "engine": engine,
    "birds": birds,
}


def any_source(rng: np.random.Generator, samples: int, rate_hz: int) -> Signal:
    """Return a source of a random kind."""
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    return KINDS[kind](rng, samples, rate_hz)


def smooth(signal: NDArray[np.floating], width: float) -> Signal:
    """Blur over about `width` samples with two running means, whose cost does not grow with it."""
    size = max(int(1.7 * width), 1)
    return np.asarray(uniform_filter1d(uniform_filter1d(signal, size), size))


def _unit(signal: Signal) -> Signal:
    """Scale to a root mean square of 1 over the part that is not silent."""
    loud = np.abs(signal) > 1e-3 * np.abs(signal).max()
    return signal / max(float(np.sqrt(np.mean(signal[loud] ** 2))) if loud.any() else 0.0, 1e-9)


def _steps(
    rng: np.random.Generator, samples: int, rate_hz: int, shortest_s: float, longest_s: float
) -> Signal:
    """Return normal values that hold for random stretches of time, (S,)."""
    count = int(samples / (shortest_s * rate_hz)) + 2
    lengths = (rng.uniform(shortest_s, longest_s, count) * rate_hz).astype(int)
    return np.repeat(rng.standard_normal(count), lengths)[:samples]


def _band(low_hz: float, high_hz: float, rate_hz: int) -> Signal:
    return np.asarray(butter(2, [low_hz, high_hz], "bandpass", fs=rate_hz, output="sos"))
