"""Fingerprint of the video: small panoramas, compared for any rotation about the vertical axis.

A rotation multiplies the Fourier coefficients of each row by a phase, so one inverse transform of
the cross spectrum of two panoramas gives their correlation for every rotation. Coefficients are
weighted by their order, because the coarsest structure (sky above ground, a bright and a dark side)
is common to all panoramas.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from yt360.duplicates.index import Words, hash_words

FPS = 4
"""Frames per second of a fingerprint. Two recordings are sampled at most 1/8 s apart."""
HEIGHT, WIDTH = 32, 64
ROWS = slice(5, 27)
"""Rows of a frame that are kept: within 62° of the horizon. A turned panorama has little to compare
at the poles, where logos hide the tripod."""
NUM_ROWS = ROWS.stop - ROWS.start
ORDERS = 16
"""Fourier orders 1 to 16: details down to 11°, which survive any size and coding."""
FRAMES_PER_WORDS = 2
"""Words are made twice a second: a panorama hardly changes in a quarter of a second."""
_HASHED_ORDERS, _HASHED_ROWS = 8, 11
_MIN_CONTRAST = 2.0
"""RMS contrast in luma levels along the azimuth below which a frame shows nothing: black, a fade,
a title on plain ground. Coding noise of black frames is below 1, fireworks at night are above 3."""
_SEARCHED_TURNS = 512

Grids = NDArray[np.uint8]
Coefficients = NDArray[np.complex64]
_ELEVATION = np.pi * (0.5 - (np.arange(HEIGHT)[ROWS] + 0.5) / HEIGHT)
_WEIGHTS = np.sqrt(np.cos(_ELEVATION))[:, None] * np.arange(1, ORDERS + 1)
_ORDER = np.arange(1, ORDERS + 1)


def coefficients(grids: Grids) -> Coefficients:
    """Return the weighted Fourier coefficients (T, R, `ORDERS`) along azimuth of frames (T, R, W).

    Rows are weighted by the solid angle that they cover.
    """
    spectrum = np.fft.rfft(grids.astype(np.float32), axis=-1)[..., 1 : ORDERS + 1]
    return (spectrum * _WEIGHTS).astype(np.complex64)


def turned(frames: Coefficients, yaw: float) -> Coefficients:
    """Turn panoramas so that what is at azimuth 0 comes to azimuth `yaw` (radians)."""
    return frames * np.exp(1j * yaw * _ORDER).astype(np.complex64)


def unit(frames: Coefficients) -> Coefficients:
    """Scale frames (T, R, K) to unit norm; frames that show nothing become zero."""
    norms = np.sqrt(np.square(np.abs(frames)).sum((1, 2)))
    return frames / np.maximum(norms, 1e-6)[:, None, None]


def best_turn(a: Coefficients, b: Coefficients) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the correlation in [-1, 1] at the best turn, and the turn, of each pair of frames.

    Args:
        a: Unit frames (N, R, K).
        b: Unit frames (N, R, K).

    Returns:
        Correlations (N,), and the yaw in radians, in [-pi, pi), by which to turn `a` to get `b`.
    """
    spectrum = np.zeros((len(a), _SEARCHED_TURNS // 2 + 1), np.complex64)
    spectrum[:, 1 : ORDERS + 1] = (a.conj() * b).sum(1)
    # b = a · exp(i k yaw): the correlation at a turn is the sum of spectrum · exp(-i k yaw).
    by_turn = np.fft.irfft(spectrum.conj(), axis=1) * (_SEARCHED_TURNS / 2)
    best = by_turn.argmax(1)
    yaw = best * (2 * np.pi / _SEARCHED_TURNS)
    return by_turn.max(1).astype(np.float32), ((yaw + np.pi) % (2 * np.pi) - np.pi).astype(
        np.float32
    )


def motion(frames: Coefficients) -> NDArray[np.float32]:
    """Return what changes within half a second, as real vectors (T - 3, D).

    Each is the difference of two means of adjacent frames, which halves the coding noise. Cuts and
    flashes, which change everything, are scaled down to twice the usual strong change.
    """
    pairs = frames[1:] + frames[:-1]
    changes = np.ascontiguousarray(pairs[2:] - pairs[:-2])
    vectors = changes.reshape(len(changes), frames.shape[1] * frames.shape[2]).view(np.float32)
    norms = np.linalg.norm(vectors, axis=1)
    limit = 2 * np.quantile(norms, 0.9) if len(norms) else 0.0
    return vectors * np.minimum(1, limit / np.maximum(norms, 1e-6))[:, None].astype(np.float32)


def picture_words(grids: Grids) -> tuple[Words, NDArray[np.int32]]:
    """Return words (N, 8) that no turn changes, and the numbers of their frames (N,).

    The features are the imaginary parts of the products of one row's coefficients with the
    conjugate of another row's: a turn multiplies both by the same phase. Mirroring changes their
    sign, so their mean over many panoramas is zero and bits are balanced.
    """
    numbers = np.arange(0, len(grids), FRAMES_PER_WORDS)
    frames = grids[numbers].astype(np.float32)
    contrast = (frames - frames.mean(-1, keepdims=True)).std((1, 2))
    numbers = numbers[contrast >= _MIN_CONTRAST]
    chosen = coefficients(grids[numbers])[..., :_HASHED_ORDERS] / np.sqrt(_ORDER[:_HASHED_ORDERS])
    rows = chosen.reshape(len(numbers), _HASHED_ROWS, 2, _HASHED_ORDERS).sum(2)
    rows = rows / np.sqrt(np.abs(rows) + 1e-6)
    above, below = map(list, zip(*combinations(range(_HASHED_ROWS), 2), strict=True))
    products = rows[:, above] * rows[:, below].conj()
    vectors = products.imag.reshape(len(numbers), _HASHED_ORDERS * len(above)).astype(np.float32)
    return hash_words(vectors), numbers.astype(np.int32)
