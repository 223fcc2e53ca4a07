"""Fingerprint of the audio: how the balance of adjacent bands changes over time.

As in Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002), the feature
is the difference of log energies along frequency and time, which levels and equalizers do not
change. Unlike there, the number is stored and not only its sign.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from yt360.duplicates.index import Words, hash_words

SAMPLE_RATE_HZ = 8000
FEATURES = 8
HOP = 256
FPS = SAMPLE_RATE_HZ / HOP
"""Features per second."""
_WINDOW = 2960  # 0.37 s, as in the paper: windows of two recordings overlap by 96 % at least
_RANGE_HZ = (200.0, 3400.0)
"""Band that all codecs and microphones keep; wind and handling noise are below."""
_LAG = 4
"""Time between the compared energies, in features."""
_FRAMES_PER_WORD, _WORD_STEP = 32, 4
_FLOOR_DB = -30.0
"""Energies this far below those of loud moments are noise of the codec and count as equal."""
_SILENCE = 1e-7 * _WINDOW
"""Energy of a band at -70 dBFS: digital silence and dither."""
_LIMIT = 3.0
_SCALE = 127 / _LIMIT
_MIN_CHANGE = 0.1
"""RMS of the features below which a second contains only a steady tone or silence."""

Features = NDArray[np.int8]


def audio_features(blocks: Iterable[NDArray[np.float32]]) -> Features:
    """Return the features (T, `FEATURES`), in units of 3/127 nepers, of mono audio.

    Args:
        blocks: Consecutive samples at `SAMPLE_RATE_HZ`, full scale 1; of any length.
    """
    rest = np.zeros(0, np.float32)
    parts = [np.zeros((0, FEATURES + 1))]
    for block in blocks:
        samples = np.concatenate([rest, block])
        parts.append(_band_energies(samples))
        rest = samples[len(parts[-1]) * HOP :]
    energies = np.concatenate(parts)
    if len(energies) <= _LAG:
        return np.zeros((0, FEATURES), np.int8)
    loud = np.quantile(energies.sum(1), 0.9) / energies.shape[1]
    levels = np.log(energies + loud * 10 ** (_FLOOR_DB / 10) + _SILENCE)
    balance = np.diff(levels, axis=1)
    changes = balance[_LAG:] - balance[:-_LAG]
    return np.round(np.clip(changes, -_LIMIT, _LIMIT) * _SCALE).astype(np.int8)


def audio_words(features: Features) -> tuple[Words, NDArray[np.int32]]:
    """Return words (N, 8) of a second of audio each, and the numbers of their features (N,).

    A new second starts every 128 ms.
    """
    if len(features) < _FRAMES_PER_WORD:
        return hash_words(np.zeros((0, FEATURES))), np.zeros(0, np.int32)
    seconds = np.lib.stride_tricks.sliding_window_view(features, _FRAMES_PER_WORD, axis=0)
    vectors = seconds[::_WORD_STEP].reshape(-1, FEATURES * _FRAMES_PER_WORD).astype(np.float32)
    changing = np.sqrt(np.square(vectors).mean(1)) >= _MIN_CHANGE * _SCALE
    numbers = np.flatnonzero(changing)
    return hash_words(vectors[numbers]), (numbers * _WORD_STEP).astype(np.int32)


def _band_energies(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the energies (T, `FEATURES` + 1) of logarithmic bands in overlapping windows."""
    if len(samples) < _WINDOW:
        return np.zeros((0, FEATURES + 1))
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::HOP]
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(_WINDOW).astype(np.float32))))
    edges = np.geomspace(*_RANGE_HZ, FEATURES + 2) * _WINDOW / SAMPLE_RATE_HZ
    return np.add.reduceat(power, np.ceil(edges).astype(int), axis=1)[:, :-1]
