"""Covariances of four-channel audio in time-frequency tiles.

A tile is about a quarter of a second of one band. Its 4 x 4 covariance contains the power of each
channel and the correlation between channels. Tiles are short enough that one source often
dominates, and long enough (dozens of independent values) to measure the power of noise within half
a decibel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.real_fft import is_fast, rfft

FloatArray = NDArray[np.float32]

WINDOW_S = 0.0213
BLOCKS_PER_TILE = 24
BAND_EDGES_HZ = (150.0, 300.0, 600.0, 1200.0, 2400.0, 4800.0, 8000.0)
NUM_BANDS = len(BAND_EDGES_HZ) - 1
# More tiles would need memory, fewer more time.
_TILES_AT_ONCE = 4


@dataclass(frozen=True)
class FieldSegment:
    """The bands of one time segment.

    Attributes:
        start_s: Start time.
        duration_s: Duration, about 0.25 s.
        covariance: (bands, 4, 4) complex64, relative to full scale squared; order W, Y, Z, X.
        width: (bands,) effective number of frequency bins: 1 for a pure tone, up to the number of
            bins for noise. Values over fewer bins are less certain.
    """

    start_s: float
    duration_s: float
    covariance: NDArray[np.complex64]
    width: FloatArray

    def scaled(self, gains: FloatArray) -> FieldSegment:
        """Return the segment with its channels multiplied by `gains` (4,)."""
        return replace(self, covariance=self.covariance * np.outer(gains, gains))


class FieldAnalyzer:
    """Splits a stream of four-channel audio into segments; buffers less than one segment.

    Args:
        sample_rate_hz: Sample rate of the stream. Bands above the Nyquist frequency are empty.
        start_s: Time of the first sample.
    """

    def __init__(self, sample_rate_hz: int, start_s: float = 0.0) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.start_s = start_s
        self.hop = _fast_hop(max(int(WINDOW_S / 2 * sample_rate_hz), 1))
        window = np.hanning(2 * self.hop + 1)[:-1]
        # With this scale, the sum over bins of one block is the mean square of its samples.
        self._window = (window * np.sqrt(2 / np.sum(window**2) / (2 * self.hop))).astype(np.float32)
        frequencies = np.fft.rfftfreq(2 * self.hop, 1 / sample_rate_hz)
        self._bands = np.searchsorted(frequencies, BAND_EDGES_HZ)
        self._rest = np.zeros((4, 0), dtype=np.float32)
        self._tiles = 0

    def feed(self, audio: FloatArray) -> Iterator[FieldSegment]:
        """Add audio (4, S) and yield the segments that are complete."""
        self._rest = np.concatenate([self._rest, audio], axis=1)
        step = BLOCKS_PER_TILE * self.hop
        while (tiles := min((self._rest.shape[1] - self.hop) // step, _TILES_AT_ONCE)) > 0:
            measured = self._measure(self._rest[:, : tiles * step + self.hop])
            self._rest = self._rest[:, tiles * step :]
            for covariance, width in zip(*measured, strict=True):
                start_s = self.start_s + self._tiles * step / self.sample_rate_hz
                self._tiles += 1
                yield FieldSegment(start_s, step / self.sample_rate_hz, covariance, width)

    def _measure(self, audio: FloatArray) -> tuple[NDArray[np.complex64], FloatArray]:
        """Return covariances (T, bands, 4, 4) and widths (T, bands) of the tiles of (4, S)."""
        halves = audio.reshape(4, -1, self.hop)
        blocks = np.empty((4, halves.shape[1] - 1, 2 * self.hop), np.float32)
        np.multiply(halves[:, :-1], self._window[: self.hop], out=blocks[..., : self.hop])
        np.multiply(halves[:, 1:], self._window[self.hop :], out=blocks[..., self.hop :])
        spectrum = rfft(blocks.reshape(4, -1, BLOCKS_PER_TILE, 2 * self.hop)).swapaxes(0, 1)
        tiles = len(spectrum)
        covariance = np.zeros((tiles, NUM_BANDS, 4, 4), dtype=np.complex64)
        width = np.ones((tiles, NUM_BANDS), dtype=np.float32)
        used = spectrum[..., : self._bands[-1]]
        power = np.sum(used.real**2 + used.imag**2, axis=(1, 2))  # (T, bins)
        for band, (first, last) in enumerate(pairwise(self._bands)):
            if first == last:
                continue
            values = spectrum[..., first:last].reshape(tiles, 4, -1)  # (T, 4, blocks x bins)
            covariance[:, band] = values @ values.conj().swapaxes(1, 2) / BLOCKS_PER_TILE
            of_band, least = power[:, first:last], np.float32(1e-30)
            squares = np.maximum(np.sum(of_band**2, axis=1), least)
            width[:, band] = of_band.sum(axis=1) ** 2 / squares
        return covariance, width


def _fast_hop(least: int) -> int:
    """Return the first hop from `least` on whose window of two hops has a fast Fourier transform.

    At 48 kHz it is 512 instead of 511, whose window has the prime factor 73 and takes 2.9 times as
    long.
    """
    hop = least
    while not is_fast(2 * hop):
        hop += 1
    return hop
