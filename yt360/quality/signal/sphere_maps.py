"""Maps on the sphere, in cells of five degrees: means over an image, smoothing, interpolation.

A map has shape (ROWS, COLUMNS). Row 0 is at the zenith, column 0 behind, as in an equirectangular
image; see `yt360.sphere` for the angles.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROWS, COLUMNS = 36, 72
ELEVATIONS: Array = np.pi / 2 - np.pi * (np.arange(ROWS) + 0.5) / ROWS
AZIMUTHS: Array = np.pi - 2 * np.pi * (np.arange(COLUMNS) + 0.5) / COLUMNS
SOLID_ANGLES: Array = np.repeat(np.cos(ELEVATIONS)[:, None], COLUMNS, axis=1)
"""Fraction of the sphere in each cell (ROWS, COLUMNS)."""
SOLID_ANGLES /= SOLID_ANGLES.sum()


def cell_means(image: NDArray[np.floating]) -> Array:
    """Return the mean of an equirectangular image (H, W) of any size in each cell."""
    height, width = image.shape
    return np.asarray(_interval_means(height, ROWS) @ image @ _interval_means(width, COLUMNS).T)


@lru_cache(maxsize=8)
def _interval_means(count: int, intervals: int) -> NDArray[np.float32]:
    """Return the matrix (intervals, count) of means over equal intervals of pixels."""
    edges = np.linspace(0, count, intervals + 1)
    pixels = np.arange(count)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) * intervals / count).astype(np.float32)


def mean(maps: Array) -> Array:
    """Return the mean of maps (..., ROWS, COLUMNS) over the sphere."""
    return np.asarray((maps * SOLID_ANGLES).sum(axis=(-2, -1)))


def quantile(maps: Array, fraction: float) -> Array:
    """Return the value (N,) of maps (N, ROWS, COLUMNS) that a fraction of the sphere is below."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(flat, axis=1)
    below = np.cumsum(SOLID_ANGLES.reshape(-1)[order], axis=1) < fraction
    place = np.minimum(below.sum(axis=1), flat.shape[1] - 1)
    return np.asarray(flat[np.arange(len(flat)), order[np.arange(len(flat)), place]])


def density(maps: Array) -> Array:
    """Return nonnegative maps (N, ROWS, COLUMNS) divided by their means; 1 where all is zero."""
    means = mean(maps)[:, None, None]
    return np.where(means > 0, maps / np.where(means > 0, means, 1), 1.0)


def smoothed(maps: Array, width: float) -> Array:
    """Smooth maps (N, ROWS, COLUMNS) by a von Mises-Fisher kernel, without changing their means.

    Args:
        maps: The maps.
        width: Standard deviation of the kernel along each of two axes, in radians.
    """
    spectrum = np.fft.rfft(maps * SOLID_ANGLES, axis=2)
    kernel = _kernel_spectrum(width)
    rows = np.einsum("ijf,njf->nif", kernel, spectrum)
    return np.asarray(np.fft.irfft(rows, n=COLUMNS, axis=2))


@lru_cache(maxsize=4)
def _kernel_spectrum(width: float) -> Array:
    """Return the kernel between rows i and j as real Fourier coefficients over the azimuth."""
    turn = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    sin, cos = np.sin(ELEVATIONS), np.cos(ELEVATIONS)
    cosine = np.multiply.outer(np.outer(sin, sin), np.ones(COLUMNS))
    cosine += np.multiply.outer(np.outer(cos, cos), np.cos(turn))
    kernel = np.exp((cosine - 1) / width**2)
    # Each cell spreads its content over the sphere completely.
    kernel /= np.einsum("ijt,i->j", kernel, SOLID_ANGLES[:, 0])[None, :, None]
    return np.asarray(np.fft.rfft(kernel, axis=2).real)


def values_at(maps: Array, azimuth: Array, elevation: Array) -> Array:
    """Interpolate each map in its own directions.

    Args:
        maps: (N, ROWS, COLUMNS).
        azimuth: (..., N) in radians.
        elevation: (..., N) in radians, in [-pi/2, pi/2].

    Returns:
        Values (..., N).
    """
    row = np.clip((np.pi / 2 - elevation) / np.pi * ROWS - 0.5, 0, ROWS - 1)
    column = ((np.pi - azimuth) / (2 * np.pi) * COLUMNS - 0.5) % COLUMNS
    top = np.minimum(row.astype(int), ROWS - 2)
    left = column.astype(int) % COLUMNS
    right = (left + 1) % COLUMNS
    down, over = row - top, column - np.floor(column)
    index = np.arange(len(maps))
    upper = maps[index, top, left] * (1 - over) + maps[index, top, right] * over
    lower = maps[index, top + 1, left] * (1 - over) + maps[index, top + 1, right] * over
    return np.asarray(upper * (1 - down) + lower * down)
