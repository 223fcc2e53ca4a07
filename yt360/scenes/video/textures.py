"""Procedural patterns: a tileable noise, a hash of cells, and smooth steps."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from yt360.randomness import keyed_generator

Array = NDArray[np.floating]
TILE = 512


def noise(u: Array, v: Array) -> Array:
    """Return smooth fractal noise (n,), mean 0, standard deviation 1, with period 1 in u and v.

    The finest detail is about 1/256 wide, the coarsest about 1/4.
    """
    tile = _noise_tile()
    x, y = u * np.float32(TILE), v * np.float32(TILE)
    column, row = np.floor(x), np.floor(y)
    right, down = x - column, y - row
    # Two's complement makes the mask right for negative cells, too.
    column0, row0 = column.astype(np.int32) & (TILE - 1), row.astype(np.int32) & (TILE - 1)
    column1, row1 = (column0 + 1) & (TILE - 1), (row0 + 1) & (TILE - 1)
    flat = tile.ravel()
    row0, row1 = row0 * TILE, row1 * TILE
    top = flat[row0 + column0] * (1 - right) + flat[row0 + column1] * right
    bottom = flat[row1 + column0] * (1 - right) + flat[row1 + column1] * right
    return top * (1 - down) + bottom * down


@cache
def _noise_tile() -> Array:
    generator = keyed_generator("scenes", "noise tile")
    spectrum = np.fft.rfft2(generator.standard_normal((TILE, TILE)))
    waves = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)) * TILE
    spectrum *= np.where(waves >= 3, np.maximum(waves, 1) ** -1.7, 0)
    tile = np.fft.irfft2(spectrum, (TILE, TILE))
    return (tile / tile.std()).astype(np.float32)


def ring(generator: np.random.Generator, lowest: int, highest: int, slope: float) -> Array:
    """Return one period (2048,) of random waves with `lowest` to `highest` cycles, within ±1.

    Amplitudes fall with the number of cycles to the power of `slope`. As a function of azimuth the
    waves have no seam.
    """
    count = 2048
    spectrum = np.zeros(count // 2 + 1, dtype=np.complex128)
    cycles = np.arange(lowest, highest + 1)
    phases = generator.uniform(0, 2 * np.pi, size=len(cycles))
    spectrum[cycles] = cycles**-slope * np.exp(1j * phases)
    waves = np.fft.irfft(spectrum, count)
    return (waves / np.abs(waves).max()).astype(np.float32)


def around(profile: Array, azimuth: Array) -> Array:
    """Look up a profile over the full turn at azimuths (n,) in radians, linearly."""
    count = len(profile)
    place = (azimuth * np.float32(0.5 / np.pi) + np.float32(1.0)) * count
    cell = np.floor(place)
    part = (place - cell).astype(np.float32)
    index = cell.astype(np.int64)
    return profile[index % count] * (1 - part) + profile[(index + 1) % count] * part


def cell_hash(x: Array, y: Array, salt: int) -> Array:
    """Return a number in [0, 1) for each cell, given whole numbers (n,) as floats."""
    h = x.astype(np.int64).astype(np.uint32) * np.uint32(0x9E3779B1)
    h ^= y.astype(np.int64).astype(np.uint32) * np.uint32(0x85EBCA77)
    h ^= np.uint32(salt * 0xC2B2AE3D & 0xFFFFFFFF)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return h.astype(np.float32) * np.float32(2**-32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Return 0 below `low`, 1 above `high`, and a smooth ramp between."""
    ramp = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def mix(first: Array, second: Array, amount: Array) -> Array:
    """Blend colours (n, 3) or (3,) by `amount` (n,) from 0, all `first`, to 1, all `second`."""
    return first + amount[:, None] * (second - first)


def rgb(red: float, green: float, blue: float) -> Array:
    """Return a colour (3,) from components in [0, 1]."""
    return np.array([red, green, blue], dtype=np.float32)
