"""Sets of perspective views that together cover the sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from yt360.errors import UserError, did_you_mean
from yt360.sphere import view_grid, view_rotation

PANORAMA = "panorama"


@dataclass(frozen=True)
class ViewSet:
    """Square upright views from the centre of the sphere.

    Attributes:
        name: As in ``--views``.
        centers_deg: Azimuth and elevation of the center of every view, degrees.
        hfov_deg: Full horizontal and vertical field of view, degrees.
    """

    name: str
    centers_deg: tuple[tuple[float, float], ...]
    hfov_deg: float

    def __len__(self) -> int:
        return len(self.centers_deg)

    @property
    def hfov(self) -> float:
        """Full field of view, radians."""
        return math.radians(self.hfov_deg)

    def centers(self) -> tuple[Tensor, Tensor]:
        """Return azimuths (V,) and elevations (V,) in radians."""
        angles = torch.tensor(self.centers_deg, dtype=torch.float64).deg2rad()
        return angles[:, 0], angles[:, 1]

    def directions(self, side: int) -> Tensor:
        """Return world directions (V, side, side, 3) of the views' pixels, float64."""
        azimuth, elevation = self.centers()
        return view_grid(azimuth, elevation, self.hfov, side, side)

    def in_view(self, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Project directions into the views.

        Args:
            directions: (..., 3) float64.

        Returns:
            Image-plane coordinates (V, ..., 2), x right and y down, in [-1, 1] inside the view;
            and a mask (V, ...) of those that are inside.
        """
        azimuth, elevation = self.centers()
        rotation = view_rotation(azimuth, elevation)
        local = torch.einsum("vij,...j->v...i", rotation, directions)
        ahead = local[..., 0] > 1e-9
        depth = torch.where(ahead, local[..., 0], 1.0)
        plane = -local[..., 1:] / depth[..., None] / math.tan(self.hfov / 2)
        # Views that only touch have pixels exactly on their edges, which rounding must not exclude.
        return plane, ahead & (plane.abs().amax(-1) <= 1 + 1e-6)


def ring(
    number: int, elevation_deg: float, first_deg: float = 0.0
) -> tuple[tuple[float, float], ...]:
    """Return `number` views around the sphere at one elevation."""
    return tuple(((first_deg + 360 / number * i) % 360, elevation_deg) for i in range(number))


_UP_AND_DOWN = ((0.0, 90.0), (0.0, -90.0))
_CUBE = (*ring(4, 0), *_UP_AND_DOWN)

VIEW_SETS = {
    views.name: views
    for views in (
        ViewSet("cube-90", _CUBE, 90),
        ViewSet("cube-100", _CUBE, 100),
        ViewSet("cube-110", _CUBE, 110),
        ViewSet("cube-120", _CUBE, 120),
        ViewSet("ring-8", (*ring(6, 0), *_UP_AND_DOWN), 100),
        ViewSet("ring-10", (*ring(8, 0), *_UP_AND_DOWN), 95),
        ViewSet("cube-corners-14", (*_CUBE, *ring(4, 35.26, 45), *ring(4, -35.26, 45)), 90),
        ViewSet("rings-18", (*ring(8, 0), *ring(4, 50), *ring(4, -50), *_UP_AND_DOWN), 80),
        ViewSet("rings-26", (*ring(8, 0), *ring(8, 45), *ring(8, -45), *_UP_AND_DOWN), 75),
    )
}
DEFAULT_VIEWS = "ring-8"


def view_set(name: str) -> ViewSet:
    """Return a set of views by its name.

    Raises:
        UserError: There is no set of this name.
    """
    if name not in VIEW_SETS:
        raise UserError(
            f"unknown set of views {name!r}{did_you_mean(name, [*VIEW_SETS, PANORAMA])}",
            code="unknown-name",
            key="--views",
        )
    return VIEW_SETS[name]
