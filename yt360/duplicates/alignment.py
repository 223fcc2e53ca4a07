"""The offset in time at which two sequences of vectors agree best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Vectors = NDArray[np.float32]
_COLUMNS_AT_ONCE = 64


@dataclass(frozen=True)
class Overlap:
    """The common part of two sequences of which one is shifted.

    Attributes:
        a: First element of the first sequence.
        b: First element of the second sequence.
        length: Number of elements.
    """

    a: int
    b: int
    length: int

    @classmethod
    def at(cls, lag: int, len_a: int, len_b: int) -> Overlap:
        """Return the overlap where element i of the second meets i + `lag` of the first."""
        start = max(lag, 0)
        return cls(start, start - lag, max(min(len_a, len_b + lag) - start, 0))

    def part(self, start: int, length: int) -> Overlap:
        """Return a part of it."""
        return Overlap(self.a + start, self.b + start, length)

    def of(self, a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
        """Return the elements of both sequences."""
        return a[self.a : self.a + self.length], b[self.b : self.b + self.length]


def best_lag(a: Vectors, b: Vectors, min_length: int) -> int | None:
    """Return the lag at which two sequences agree most significantly; None if they are too short.

    The significance of a correlation r over n elements is r √n, so a short overlap that agrees by
    chance does not beat a long one, and a short common part of two long sequences is found.

    Args:
        a: (T, D) with mean zero.
        b: (U, D).
        min_length: Least number of elements that must overlap.
    """
    if min(len(a), len(b)) < min_length:
        return None
    lags = np.arange(min_length - len(b), len(a) - min_length + 1)
    size = fft.next_fast_len(len(a) + len(b), real=True)
    products = np.zeros(size)
    for first in range(0, a.shape[1], _COLUMNS_AT_ONCE):
        columns = slice(first, first + _COLUMNS_AT_ONCE)
        spectrum = fft.rfft(a[:, columns], size, axis=0) * np.conj(
            fft.rfft(b[:, columns], size, axis=0)
        )
        products += fft.irfft(spectrum.sum(1), size)
    energy_a, energy_b = (np.append(0, np.cumsum(_energies(each))) for each in (a, b))
    start, end = np.maximum(lags, 0), np.minimum(len(a), len(b) + lags)
    energy = (energy_a[end] - energy_a[start]) * (energy_b[end - lags] - energy_b[start - lags])
    significance = products[lags] / np.maximum(energy, 1e-12) ** 0.25
    return int(lags[significance.argmax()])


def correlation(a: Vectors, b: Vectors) -> float:
    """Return the correlation in [-1, 1] of two sequences (T, D) of the same length."""
    energy = float(_energies(a).sum() * _energies(b).sum())
    return float((a * b).sum()) / energy**0.5 if energy > 0 else 0.0


def local_correlation(a: Vectors, b: Vectors, window: int) -> NDArray[np.float64]:
    """Return the correlation (T - window + 1,) in each window of two sequences (T, D)."""
    sums = (
        np.convolve(each, np.ones(window), "valid")
        for each in ((a * b).sum(1), _energies(a), _energies(b))
    )
    products, energy_a, energy_b = sums
    return products / np.sqrt(np.maximum(energy_a * energy_b, 1e-12))


def longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return start and length of the longest run of true values; the length is 0 if none is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest] - starts[longest])


def _energies(vectors: Vectors) -> NDArray[np.float64]:
    return np.square(vectors).sum(1, dtype=np.float64)
