"""Diffuse sound fields: isotropic noise and ambiences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfftfreq

Array = NDArray[np.floating]
Generator = np.random.Generator

# Frequencies of the peaks that the third number of a cue raises or lowers.
_HUE_PEAKS_HZ = (420.0, 1300.0, 4000.0)
LOWEST_HZ = 50.0


def isotropic(generator: Generator, gains_db: Array, num_samples: int) -> NDArray[np.float32]:
    """Return ambiX noise (4, num_samples) that comes from all directions equally.

    In a diffuse field the channels are independent; in SN3D each of Y, Z, X has a third of the
    power of W.

    Args:
        generator: Source of randomness.
        gains_db: (F,) spectral shape at the frequencies of `spectrum_frequencies`.
        num_samples: Length of the result.

    Returns:
        Noise whose W has a mean power of 1.
    """
    shape = 10 ** (np.asarray(gains_db) / 20)
    shape[0] = 0
    # White spectra of unit variance; the inverse transform of length n scales by 1 / n.
    length = 2 * (len(shape) - 1)
    shape *= length / np.sqrt(2 * np.square(shape).sum())
    parts = generator.standard_normal((2, 4, len(shape)), dtype=np.float32)
    spectra = (parts[0] + 1j * parts[1]) * (shape / np.sqrt(2)).astype(np.float32)
    noise = irfft(spectra, length, axis=-1)[:, :num_samples].astype(np.float32)
    noise[1:] *= np.float32(1 / np.sqrt(3))
    return noise


def spectrum_frequencies(num_samples: int, sample_rate_hz: int) -> Array:
    """Return the frequencies (F,) in Hz of the spectral shape that `isotropic` takes."""
    length = next_fast_len(num_samples + num_samples % 2, real=True)
    while length % 2:
        length = next_fast_len(length + 1, real=True)
    return rfftfreq(length, 1 / sample_rate_hz)


def pink_db(frequencies: Array) -> Array:
    """Return a pink spectrum (F,): -3 dB per octave above `LOWEST_HZ`, nothing below it."""
    return -10 * np.log10(np.maximum(frequencies, LOWEST_HZ) / LOWEST_HZ) - _rumble(frequencies)


def ambience_db(frequencies: Array, cue: tuple[float, float, float]) -> Array:
    """Return the spectral shape (F,) of the ambience that belongs to a cue.

    Args:
        frequencies: (F,) Hz.
        cue: Three numbers in [0, 1): the position of the main band, the tilt, and (cyclic, like a
            hue) which of three peaks stand out.
    """
    octaves = np.log2(np.maximum(frequencies, LOWEST_HZ))

    def peak(centre_hz: float, width_octaves: float) -> Array:
        return np.exp(-0.5 * np.square((octaves - np.log2(centre_hz)) / width_octaves))

    shape = -(2 + 6 * cue[1]) * (octaves - np.log2(1000.0))
    shape += 14 * peak(180.0 * 2 ** (6 * cue[0]), 0.3)
    for number, centre_hz in enumerate(_HUE_PEAKS_HZ):
        shape += 9 * np.cos(2 * np.pi * (cue[2] - number / 3)) * peak(centre_hz, 0.4)
    return shape - _rumble(frequencies)


def swell(generator: Generator, cue: tuple[float, float, float], times: Array) -> Array:
    """Return a slow modulation (S,) around 1; its frequency follows the cue."""
    rate_hz = 0.4 * 2 ** (3 * cue[1])
    phases = generator.uniform(0, 2 * np.pi, size=2)
    waves = np.sin(2 * np.pi * rate_hz * times + phases[0])
    waves += 0.5 * np.sin(2 * np.pi * 0.37 * rate_hz * times + phases[1])
    return (1 + 0.25 * waves).astype(np.float32)


def _rumble(frequencies: Array) -> Array:
    """Return the loss in dB (F,) of a soft high-pass at `LOWEST_HZ`."""
    return np.where(frequencies < LOWEST_HZ, 60 * (1 - frequencies / LOWEST_HZ), 0.0)
