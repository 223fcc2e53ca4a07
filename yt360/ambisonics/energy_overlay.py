"""Draw the energy of a sound field by direction over an equirectangular image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

FLOOR_DB = -60.0
"""Lowest level of a map."""
SHOWN_DB = 12.0
"""Directions that are further below the maximum are not drawn."""
OPACITY = 0.7
"""Opacity of the loudest direction."""
# First-order beams are wide; this exponent concentrates the drawing around the maximum.
_SHARPNESS = 2.5
# Matplotlib's "inferno" at even steps.
_COLORS = np.array([
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51),
    (249, 140, 10), (249, 201, 50), (252, 255, 164),
])  # fmt: skip


def energy_db(ambix: torch.Tensor, height: int, width: int) -> NDArray[np.float32]:
    """Return the mean power of a cardioid to each direction, in dB relative to the maximum.

    Args:
        ambix: ambiX (4, S) with S >= 1.
        height: Rows of the map.
        width: Columns of the map.

    Returns:
        (height, width), equirectangular, from `FLOOR_DB` to 0; `FLOOR_DB` everywhere if silent.
    """
    from yt360.ambisonics.transforms import energy_map  # PyTorch, which colours do not need

    return relative_db(energy_map(ambix.double(), height, width))


def relative_db(power: torch.Tensor) -> NDArray[np.float32]:
    """Return a map of powers in dB relative to its maximum, from `FLOOR_DB` to 0."""
    relative = power / power.max().clamp(min=1e-12)
    level_db: NDArray[np.float32] = (
        (10 * relative.clamp(min=10 ** (FLOOR_DB / 10)).log10()).float().numpy()
    )
    return level_db


def shown_range_db(level_db: NDArray[np.float32]) -> float:
    """Return the level at which the drawing of a map begins: its minimum, at least -`SHOWN_DB`."""
    return max(float(level_db.min()), -SHOWN_DB)


def energy_overlay(image: NDArray[np.uint8], level_db: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw a map of levels over an image, opaque and bright where it is loudest.

    Args:
        image: (H, W, 3) uint8.
        level_db: (H, W) from `energy_db`.
    """
    lowest = min(shown_range_db(level_db), -0.1)
    return map_overlay(image, np.clip(1 - level_db / lowest, 0, 1))


def map_overlay(image: NDArray[np.uint8], strength: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw a map over an image, opaque and bright where it is high.

    Args:
        image: (H, W, 3) uint8.
        strength: (H, W) from 0 to 1.
    """
    opacity = (strength**_SHARPNESS * OPACITY)[..., None]
    return np.rint(image * (1 - opacity) + inferno(strength) * opacity).astype(np.uint8)


def inferno(strength: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the colors (..., 3), 0 to 255, of values from 0 to 1."""
    steps = np.linspace(0, 1, len(_COLORS))
    return np.stack([np.interp(strength, steps, each) for each in _COLORS.T], -1)


def peak_deg(level_db: NDArray[np.floating]) -> tuple[float, float]:
    """Return azimuth and elevation in degrees of the maximum of an equirectangular map."""
    row, column = np.unravel_index(int(np.argmax(level_db)), level_db.shape)
    rows, columns = level_db.shape
    return 180 - (float(column) + 0.5) / columns * 360, 90 - (float(row) + 0.5) / rows * 180
