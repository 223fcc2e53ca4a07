"""Mel filters in the manner of Slaney's Auditory Toolbox, which librosa and the paper use.

The mel scale is linear up to 1 kHz (200/3 Hz a mel) and logarithmic above (27 mels a factor 6.4).
Each filter is a triangle between the centres of its neighbours with unit area over frequency.
Source: M. Slaney, "Auditory Toolbox, Version 2", Technical Report 1998-010, Interval Research.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27


def hz_to_mel(frequency_hz: Values) -> Values:
    """Return mels for frequencies in Hz."""
    linear = frequency_hz / _HZ_PER_MEL
    above = np.maximum(frequency_hz, _BREAK_HZ) / _BREAK_HZ
    return np.where(frequency_hz < _BREAK_HZ, linear, _BREAK_MEL + np.log(above) / _LOG_STEP)


def mel_to_hz(mel: Values) -> Values:
    """Return frequencies in Hz for mels."""
    above = np.maximum(mel - _BREAK_MEL, 0.0)
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * above))


def mel_filters(sample_rate_hz: int, window: int, bands: int) -> Values:
    """Return the filters (bands, window // 2 + 1) on the bins of an STFT.

    Args:
        sample_rate_hz: Of the sound; the filters reach from 0 to half of it.
        window: Samples of an STFT window.
        bands: Number of filters. Where bins are wider than bands, a band may hold none and is 0.
    """
    bins_hz = np.arange(window // 2 + 1) * (sample_rate_hz / window)
    top = hz_to_mel(np.array(sample_rate_hz / 2))
    corners = mel_to_hz(np.linspace(0, float(top), bands + 2))
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    return np.maximum(np.minimum(rising, falling), 0) * (2 / (high - low))
