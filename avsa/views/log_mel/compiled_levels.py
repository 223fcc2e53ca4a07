"""Levels of views on the CPU, in two loops that Numba compiles.

A step of torch or NumPy writes all of its results to memory before the next step reads them. Here,
mixing, magnitudes and mel bands take one pass over the spectra, and floors, standardization and
the final order of dimensions take one over the levels.

Numba is imported with this module and compiles at the first call, for a second or two. The result
is kept beside the source or in the cache of the user, if one of them can be written to.

Shapes: U signals, K views, C channels, N time steps, F mel bands, Q frequency bins. T is N rounded
up to a multiple of `LANES`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Function = TypeVar("Function", bound=Callable[..., Any])

# Loops over time steps become vector instructions, of which some handle so many at once.
LANES = 8
# Time steps of the tile by which levels are transposed in the fastest cache.
_TILE = 16


def compiled(function: Function) -> Function:
    """Compile a function at its first call, to run without Python's lock.

    A product and its sum may be rounded once. The result is kept for other processes, unless no
    folder can be written to.
    """
    compile_with = partial(numba.njit, nogil=True, error_model="numpy", fastmath={"contract"})
    try:
        return cast(Function, compile_with(cache=True)(function))
    except RuntimeError:
        return cast(Function, compile_with()(function))


@compiled
def mel_magnitudes(
    mixing: Floats, parts: Floats, lower: NDArray[np.int64], weights: Floats, out: Floats
) -> None:
    """Mix four complex spectra by a real matrix, and sum the magnitudes in mel bands.

    Args:
        mixing: (U, 4).
        parts: (4, N, 2 Q), the real part of each bin followed by the imaginary part.
        lower: (Q,) the lower of the two bands of each bin.
        weights: (2, Q) the weights in this band and the next one.
        out: (F + 1, U, T). The last band, and time steps after the first N, are 0.
    """
    num_signals, lanes = out.shape[1:]
    # Loops over whole rows are vectorized best. These are of one bin: its real parts,
    # its imaginary parts, and the magnitudes of all signals.
    rows = np.zeros((8, lanes), out.dtype)
    w_real, y_real, z_real, x_real = rows[0], rows[1], rows[2], rows[3]
    w_imag, y_imag, z_imag, x_imag = rows[4], rows[5], rows[6], rows[7]
    magnitudes = np.empty((num_signals, lanes), out.dtype)
    all_magnitudes = magnitudes.reshape(-1)
    bands = out.reshape(out.shape[0], -1)
    bands[:] = 0
    for q in range(len(lower)):
        for c in range(4):
            source, real, imag = parts[c], rows[c], rows[4 + c]
            for n in range(source.shape[0]):
                real[n] = source[n, 2 * q]
                imag[n] = source[n, 2 * q + 1]
        for u in range(num_signals):
            w, y, z, x = mixing[u, 0], mixing[u, 1], mixing[u, 2], mixing[u, 3]
            magnitude = magnitudes[u]
            for n in range(lanes):
                re = w * w_real[n] + y * y_real[n] + z * z_real[n] + x * x_real[n]
                im = w * w_imag[n] + y * y_imag[n] + z * z_imag[n] + x * x_imag[n]
                magnitude[n] = np.sqrt(re * re + im * im)
        first, second = bands[lower[q]], bands[lower[q] + 1]
        to_first, to_second = weights[0, q], weights[1, q]
        for i in range(len(all_magnitudes)):
            first[i] += to_first * all_magnitudes[i]
            second[i] += to_second * all_magnitudes[i]


@compiled
def standardize(
    levels: Floats,
    signals: NDArray[np.int64],
    floor: float,
    depth: float,
    per_view: bool,
    mean_db: Floats,
    std_db: Floats,
    gain_db: Floats,
    out: Floats,
) -> None:
    """Raise levels to the floors, standardize them, and write them to the channels of views.

    Args:
        levels: (F, U, T) as the log10 of magnitudes.
        signals: (K, c) the signal of each of the first c channels of each view.
        floor: Absolute floor of the levels.
        depth: Difference between the peak and the relative floor.
        per_view: Whether the peak is that of all c channels, or that of each.
        mean_db: (F,) in decibels.
        std_db: (F,) in decibels.
        gain_db: (K,) in decibels.
        out: (K, C, N, F).
    """
    peaks = _peaks(levels, out.shape[2])
    number = levels.dtype.type
    tile = np.empty((levels.shape[0], _TILE), levels.dtype)
    for k in range(signals.shape[0]):
        for c in range(signals.shape[1]):
            peak = peaks[signals[k, c]]
            if per_view:
                for other in signals[k]:
                    peak = max(peak, peaks[other])
            lowest = number(max(peak - depth, floor))
            for start in range(0, out.shape[2], _TILE):
                steps = min(_TILE, out.shape[2] - start)
                for f in range(levels.shape[0]):
                    scale = number(20 / std_db[f])
                    shift = number((gain_db[k] - mean_db[f]) / std_db[f])
                    source, target = levels[f, signals[k, c], start:], tile[f]
                    for n in range(steps):
                        target[n] = max(source[n], lowest) * scale + shift
                for n in range(steps):
                    target = out[k, c, start + n]
                    for f in range(levels.shape[0]):
                        target[f] = tile[f, n]


@compiled
def _peaks(levels: Floats, steps: int) -> Floats:
    """Return the maximum of each signal (U,) over the bands and the first time steps."""
    num_signals, lanes = levels.shape[1:]
    highest = levels[0].copy().reshape(-1)
    for f in range(1, levels.shape[0]):
        band = levels[f].reshape(-1)
        for i in range(len(highest)):
            highest[i] = max(highest[i], band[i])
    peaks = np.empty(num_signals, levels.dtype)
    for u in range(num_signals):
        peaks[u] = highest[u * lanes : u * lanes + steps].max()
    return peaks
