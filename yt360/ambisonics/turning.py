"""Turning a sound field about the vertical axis, in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def turn_to_front(ambix: NDArray[np.floating[Any]], azimuth_deg: float) -> NDArray[Any]:
    """Turn a sound field so that a source at an azimuth is heard in front.

    The same as `yt360.ambisonics.transforms.rotate_to_view` without elevation and roll.

    Args:
        ambix: ambiX (4, S): W, Y, Z, X, floating point.
        azimuth_deg: Azimuth in degrees, counter-clockwise from above.

    Returns:
        (4, S), of the same dtype.
    """
    cos, sin = math.cos(math.radians(azimuth_deg)), math.sin(math.radians(azimuth_deg))
    turned = ambix.copy()
    turned[1] = cos * ambix[1] - sin * ambix[3]
    turned[3] = sin * ambix[1] + cos * ambix[3]
    return turned
