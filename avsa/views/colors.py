"""Colour jitter as one affine transform from stored Y'CbCr to standardized RGB.

Conversion, brightness, contrast, saturation, hue and standardization are affine, so one matrix per
view combines them. Unlike in a chain of 8-bit operations, intermediate values are neither rounded
nor clipped. Contrast is relative to middle grey instead of the mean of the image.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Luma coefficients of red and blue (ITU-R BT.709).
LUMA_RED, LUMA_BLUE = 0.2126, 0.0722
# Mean and standard deviation of RGB in [0, 1] over ImageNet.
RGB_MEAN = np.array([0.485, 0.456, 0.406])
RGB_STD = np.array([0.229, 0.224, 0.225])


def stored_to_rgb() -> Matrix:
    """Return the (3, 4) matrix from limited-range (Y', Cb, Cr, 1), 0 to 255, to RGB in [0, 1]."""
    red, blue = LUMA_RED, LUMA_BLUE
    green = 1 - red - blue
    to_rgb = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    scale = np.array([1 / 219, 1 / 224, 1 / 224])
    offset = np.array([-16 / 219, -128 / 224, -128 / 224])
    return to_rgb @ np.column_stack([np.diag(scale), offset])


def color_map(brightness: Matrix, contrast: Matrix, saturation: Matrix, hue: Matrix) -> Matrix:
    """Return matrices (..., 3, 4) from stored (Y', Cb, Cr, 1), 0 to 255, to standardized RGB.

    Args:
        brightness: (...) factor of RGB; 1 for no change.
        contrast: (...) factor of the distance from middle grey, applied after brightness.
        saturation: (...) factor of the chroma.
        hue: (...) rotation of the chroma in radians.
    """
    level = brightness * contrast
    factors = [
        level, level * saturation * np.cos(hue), level * saturation * np.sin(hue), contrast
    ]  # fmt: skip
    # Parts are added one by one, so the map of a view does not depend on the other views.
    *parts, constant = _parts()
    maps = np.multiply(factors[0][..., None, None], parts[0])
    for factor, part in zip(factors[1:], parts[1:], strict=True):
        maps += factor[..., None, None] * part
    return maps + constant


@lru_cache(maxsize=1)
def _parts() -> list[Matrix]:
    """Return the (3, 4) matrices whose sum is the colour map.

    Those that are multiplied by brightness and contrast: the first one as it is, the second and
    third times saturation and the cosine and sine of the hue, which rotates the chroma about (Cb,
    Cr) = (128, 128). Then the one that is multiplied by contrast, and a constant.
    """
    luma, blue, red, offset = stored_to_rgb().T
    zero, half = np.zeros(3), np.full(3, 0.5)
    columns = [
        (luma, zero, zero, offset + 128 * (blue + red)),
        (zero, blue, red, -128 * (blue + red)),
        (zero, red, -blue, 128 * (blue - red)),
        (zero, zero, zero, -half),
        (zero, zero, zero, half - RGB_MEAN),
    ]
    return [np.stack(each, -1) / RGB_STD[:, None] for each in columns]


def to_rgb_bytes(video: Matrix) -> NDArray[np.uint8]:
    """Convert standardized RGB (3, ...) to 8-bit RGB (..., 3)."""
    shape = (3,) + (1,) * (video.ndim - 1)
    rgb = video * RGB_STD.reshape(shape) + RGB_MEAN.reshape(shape)
    return np.moveaxis(np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8), 0, -1)
