"""Estimate the rotation of the camera in equirectangular video.

A rotation about the vertical axis shifts the whole image circularly. The shift is the peak of the
circular cross-correlation of the rows near the horizon.
"""

from __future__ import annotations

import numpy as np

from yt360.media.video.frame_triplets import Luma

# Minimum correlation coefficient of two images of the same scene.
LEAST_CORRELATION = 0.5


def azimuth_shift(before: Luma, after: Luma) -> tuple[float, float]:
    """Return the change of azimuth between two images, and its confidence.

    Args:
        before: Luma (H, W) of a whole equirectangular image.
        after: Luma (H, W) of a later image.

    Returns:
        The change of azimuth in radians, in (-pi, pi], positive to the left; and the correlation
        coefficient of the shifted images.
    """
    height, width = before.shape
    rows = slice(height // 4, 3 * height // 4)
    first, second = (_detail(image[rows]) for image in (before, after))
    product = np.fft.rfft(first, axis=1).conj() * np.fft.rfft(second, axis=1)
    correlation = np.fft.irfft(product.sum(axis=0), n=width)
    scale = np.sqrt(float(np.sum(first**2)) * float(np.sum(second**2)))
    peak = int(np.argmax(correlation))
    left, middle, right = correlation[peak - 1], correlation[peak], correlation[(peak + 1) % width]
    bend = left - 2 * middle + right
    shift = peak + (0.5 * (left - right) / bend if bend < 0 else 0.0)
    angle = -2 * np.pi * shift / width
    return float(np.angle(np.exp(1j * angle))), float(middle / max(scale, 1e-6))


def _detail(rows: Luma) -> Luma:
    return rows - rows.mean(axis=1, keepdims=True)
