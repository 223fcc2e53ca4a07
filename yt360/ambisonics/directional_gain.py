"""Gains of X, Y and Z relative to W, broadband or by frequency.

A gain that X, Y and Z share does not change the ratios between them at any frequency, so the
intensity vector Re(W* (X, Y, Z)) keeps its direction, and every source stays where it is. W is not
changed: its level, and what is heard in mono, stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def scale_directions(
    ambix: NDArray[np.floating],
    gains_db: Sequence[float],
    centres_hz: Sequence[float],
    sample_rate_hz: int,
) -> NDArray[np.floating]:
    """Multiply X, Y and Z by a gain; the negative gains undo it to float precision.

    One gain applies to all frequencies. Several are those at `centres_hz`: in between, the gain in
    dB is interpolated over log frequency (monotone cubic, so it exceeds no given gain), and beyond
    the first and the last it is constant. The filter is a symmetric FIR, a linear phase without its
    delay, and sees the audio mirrored at its ends. Such a filter is a multiplication in the cosine
    transform (DCT-II), which is why dividing by the same gains is its exact inverse.

    Args:
        ambix: ambiX (4, S) in the order W, Y, Z, X.
        gains_db: One gain, or one for each frequency.
        centres_hz: Rising frequencies.
        sample_rate_hz: Sample rate.

    Returns:
        ambiX (4, S) of the same dtype.
    """
    scaled = ambix.copy()
    if len(gains_db) == 1:
        scaled[1:] *= ambix.dtype.type(10 ** (gains_db[0] / 20))
        return scaled
    from scipy.fft import dct, idct  # a slow import
    from scipy.interpolate import PchipInterpolator

    samples = ambix.shape[1]
    curve = PchipInterpolator(np.log(centres_hz), gains_db)
    frequencies = np.arange(samples) * sample_rate_hz / 2 / max(samples, 1)
    gain_db = curve(np.log(np.clip(frequencies, centres_hz[0], centres_hz[-1])))
    spectrum = dct(ambix[1:].astype(np.float64), axis=1, norm="ortho")
    scaled[1:] = idct(spectrum * 10 ** (gain_db / 20), axis=1, norm="ortho")
    return scaled
