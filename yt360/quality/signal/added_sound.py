"""Measure the direction of the sound that rises and falls in a window.

When a source with a direction becomes louder, the power of X, Y and Z rises with that of W, by the
ratio of the recording. Audio that is mixed into W alone raises the power of W only. Stereo that is
mixed into W and Y (left and right) raises both and neither X nor Z. A source exactly at the left or
right in the open does the same; in a real place, reflections also come from elsewhere.

A line is fitted to the powers of many short moments. What does not rise with W does not change its
slope, so this also measures sound below the level of the field. Bands are thirds of an octave,
because the harmonics of a voice exceed the field only in some of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.real_fft import rfft

Array = NDArray[np.float64]

# Resolves harmonics of most voices; about the duration in which speech is stationary.
FRAME_S = 0.032
# A sum of fewer frames varies by itself: diffuse sound would have a smaller slope.
SUMMED_FRAMES = 3
BAND_EDGES_HZ = 200.0 * 2.0 ** (np.arange(14) / 3)
SILENT = 1e-10
"""Power relative to full scale below which a band holds no sound (-100 dBFS)."""
LEAST_RISE = 0.1
"""Changes of the level (variance over mean square) from which a band is evidence."""


@dataclass(frozen=True)
class AddedSound:
    """Per band, what rises in X, Y and Z when W rises.

    Attributes:
        power: (B,) slope of X² + Y² + Z² over W², relative to their ratio in the quieter half of
            the moments: 1 for sound with the direction and diffuseness of the recording, 0 for
            sound in W alone.
        intensity: (B, 3) slope of the products of W with Y, Z and X over W²: the direction vector
            of the added sound.
    """

    power: Array
    intensity: Array

    def undirected_db(self, bands: int) -> float:
        """Return the mean of `power` over the bands with the smallest ones, in dB.

        Args:
            bands: Number of bands; the added sound need not dominate in all of them.
        """
        smallest = np.sort(self.power)[:bands]
        return float(10 * np.log10(max(smallest.mean(), 1e-3)))

    def off_lateral(self, bands: int) -> float:
        """Return how far the added sound is from the left-right axis: the tangent of the angle.

        Args:
            bands: Number of bands that are at least as close to the axis as the result. The axis
                must dominate: |Y| of at least half of W.
        """
        y, z, x = self.intensity.T
        tangent = np.where(np.abs(y) > 0.5, np.hypot(x, z) / np.maximum(np.abs(y), 1e-9), np.inf)
        return float(np.sort(tangent)[bands - 1])


class Moments:
    """Powers of a window of audio in bands and short overlapping moments.

    Args:
        audio: (4, S) W, Y, Z, X; at least 64 ms.
        sample_rate_hz: Sample rate.
    """

    def __init__(self, audio: NDArray[np.float32], sample_rate_hz: int) -> None:
        hop = max(int(FRAME_S / 2 * sample_rate_hz), 1)
        frames = np.lib.stride_tricks.sliding_window_view(audio, 2 * hop, axis=1)[:, ::hop]
        edges = np.ceil(BAND_EDGES_HZ * 2 * hop / sample_rate_hz).astype(int)
        window = np.hanning(2 * hop + 1)[:-1].astype(np.float32) / hop
        spectrum = rfft(np.asarray(frames * window, np.float32))[:, :, : edges[-1]]
        above = max(edges[-1] - spectrum.shape[2], 0)  # bands above the Nyquist frequency are empty
        spectrum = np.pad(spectrum, ((0, 0), (0, 0), (0, above)))[:, :, edges[0] :]
        self.freedom = _freedom(np.diff(edges))

        def total(values: NDArray[np.floating]) -> Array:
            bands = np.add.reduceat(values, (edges - edges[0])[:-1], axis=-1).astype(np.float64)
            return np.lib.stride_tricks.sliding_window_view(bands, SUMMED_FRAMES, axis=0).sum(-1)

        w = spectrum[0]
        self.power = np.stack([total(each.real**2 + each.imag**2) for each in spectrum], axis=-1)
        """(T, B, 4)"""
        self.intensity = np.stack(
            [total(w.real * each.real + w.imag * each.imag) for each in spectrum[1:]], axis=-1
        )
        """(T, B, 3)"""
        first_s = (SUMMED_FRAMES + 1) / 2 * hop / sample_rate_hz
        self.times_s = first_s + np.arange(len(self.power)) * hop / sample_rate_hz

    def added(self, where: NDArray[np.bool_]) -> AddedSound:
        """Return what the moments at `where` (T,) add as they become louder.

        Bands that are silent, or whose changes are those of steady noise, give no evidence: 1 and
        the direction (0, 0, 0).
        """
        w, rest = self.power[:, :, 0], self.power[:, :, 1:].sum(axis=2)
        quiet = w <= np.median(w, axis=0)
        ratio = (rest * quiet).sum(axis=0) / ((w * quiet).sum(axis=0) + SILENT)
        w, rest, intensity = w[where], rest[where], self.intensity[where]
        mean, square = w.mean(axis=0), (w**2).mean(axis=0)
        # The power of steady noise varies by itself, which would lower the slope.
        rises = square - mean**2 - square / (1 + self.freedom)
        is_evidence = (mean > SILENT) & (ratio > 0) & (rises > LEAST_RISE * square)
        rises = np.where(is_evidence, rises, 1.0)
        slope = ((w - mean) * rest).mean(axis=0) / rises / np.maximum(ratio, 1e-3)
        # Weighted by the power: a direction is measured better where the added sound dominates.
        rise = w * (w - square / np.maximum(mean, SILENT))
        rises = np.where(is_evidence, (rise * w).mean(axis=0), 1.0)
        direction = (rise[..., None] * intensity).mean(axis=0) / rises[:, None]
        return AddedSound(
            np.where(is_evidence, slope, 1.0), np.where(is_evidence[:, None], direction, 0.0)
        )


def _freedom(bins: NDArray[np.intp]) -> Array:
    """Return the mean square over the variance of noise power summed over `bins` and moments.

    Powers of neighbours are correlated by a Hann window: bins by 0.444 and 0.028, frames that
    overlap by half by 0.028.
    """
    correlated = bins + 2 * 0.444 * (bins - 1) + 2 * 0.028 * np.maximum(bins - 2, 0)
    frames = SUMMED_FRAMES**2 / (SUMMED_FRAMES + 2 * 0.028 * (SUMMED_FRAMES - 1))
    return np.asarray(bins**2 / correlated * frames)
