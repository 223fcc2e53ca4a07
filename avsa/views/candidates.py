"""Map uniform random numbers to directions: in a band of elevations, or by a saliency map.

All functions work element by element, so a result does not depend on the batch that it is in.

Shapes: B clips, (H, W) of a map; (...) any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Spacing = Literal["area", "angle"]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Band:
    """The range of elevations of views.

    Attributes:
        low: Minimum elevation in radians.
        high: Maximum elevation in radians.
        spacing: Distribution of elevations: ``area`` makes directions uniform on the sphere,
            ``angle`` makes elevations uniform, which favours the poles.
    """

    low: float
    high: float
    spacing: Spacing = "area"

    def heights(self, uniform: Floats) -> Floats:
        """Map uniform numbers in [0, 1) to the sines of elevations."""
        # Area on the sphere is proportional to the sine of the elevation.
        low, high = self.low, self.high
        if self.spacing == "area":
            low, high = math.sin(low), math.sin(high)
        drawn = (2 * uniform - 1) * ((high - low) / 2) + (high + low) / 2
        return drawn if self.spacing == "area" else np.sin(drawn)


def uniform_directions(uniform: Floats, band: Band) -> Floats:
    """Map uniform numbers (..., 2) to directions (..., 3) in a band, uniform in azimuth."""
    return _from_height(_around(uniform[..., 0]), band.heights(uniform[..., 1]))


def horizon_directions(uniform: Floats) -> Floats:
    """Map uniform numbers (...) to directions (..., 3), uniform on the horizon."""
    return _from_height(_around(uniform), np.zeros(uniform.shape))


def grid_directions(num_views: int) -> Floats:
    """Return `num_views` directions (num_views, 3), evenly spaced on the horizon from the front."""
    azimuth = np.linspace(0, 2 * math.pi, num_views, endpoint=False)
    return _from_height(azimuth, np.zeros(num_views))


class SaliencyDensity:
    """Maps uniform numbers to directions whose density is proportional to saliency maps.

    Args:
        saliency: (B, H, W) equirectangular maps, non-negative.
        band: Range of elevations; rows with centres outside it are excluded.
    """

    def __init__(self, saliency: Floats, band: Band) -> None:
        rows = saliency.shape[1]
        elevation = (0.5 - (np.arange(rows) + 0.5) / rows) * math.pi
        inside = (band.low <= elevation) & (elevation <= band.high)
        area = np.where(inside, np.cos(elevation), 0.0)[:, None]
        self.band = band
        self._in_row = np.cumsum(saliency * area, -1)
        self._of_rows = np.cumsum(self._in_row[..., -1], -1)

    def directions(self, clips: Rows, uniform: Floats, otherwise: Floats) -> Floats:
        """Map uniform numbers (b, ..., 3) to directions (b, ..., 3).

        Args:
            clips: The row of each of b clips among the maps.
            uniform: Numbers in [0, 1).
            otherwise: (b, ..., 3) directions for clips whose map is zero within the band.
        """
        height, width = self._in_row.shape[1:]
        dims = tuple(range(1, uniform.ndim - 1))
        of_rows = np.expand_dims(self._of_rows[clips], dims)
        within, row = _invert(of_rows, uniform[..., 0] * of_rows[..., -1])
        in_row = self._in_row[np.expand_dims(clips, dims), row]
        _, column = _invert(in_row, within)
        top = (0.5 - (row + uniform[..., 1]) / height) * math.pi
        elevation = np.clip(top, self.band.low, self.band.high)
        azimuth = (0.5 - (column + uniform[..., 2]) / width) * (2 * math.pi)
        followed = _from_height(azimuth, np.sin(elevation))
        return np.where(of_rows[..., -1:] > 0, followed, otherwise)


def _invert(cumulative: Floats, value: Floats) -> tuple[Floats, Rows]:
    """Return the interval (...) of cumulative sums (..., n) that holds a value, and the rest."""
    value = np.minimum(value, np.nextafter(cumulative[..., -1], 0))
    index = np.minimum((cumulative <= value[..., None]).sum(-1), cumulative.shape[-1] - 1)
    sums = np.broadcast_to(cumulative, (*index.shape, cumulative.shape[-1]))
    before = np.take_along_axis(sums, np.maximum(index - 1, 0)[..., None], -1)[..., 0]
    return value - np.where(index > 0, before, 0.0), index


def _around(uniform: Floats) -> Floats:
    return (2 * uniform - 1) * math.pi


def _from_height(azimuth: Floats, height: Floats) -> Floats:
    across = np.sqrt(1 - height * height)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), height], -1)
