"""Project maps of views back onto the panorama, by the inverse of the crop; find the peak.

Shapes: V views, C maps of each view, (h, w) of a map, (H, W) of the panorama.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from yt360.errors import UserError
from yt360.labels.sphere.fusion import edge_weight
from yt360.labels.sphere.views import ViewSet, ring
from yt360.sphere import equirect_grid

RINGS = (*ring(8, 0), *ring(4, 60), *ring(4, -60))
"""Azimuth and elevation in degrees of views that cover the sphere, within the elevations of
training. Fields of view of 72° or more leave no gap."""


def covering_views(hfov_deg: float) -> ViewSet:
    """Return the views of `RINGS`, as high as wide.

    Raises:
        UserError: ``"out-of-range"``: The field of view is so small that they leave gaps.
    """
    views = ViewSet("localization", RINGS, hfov_deg)
    _, inside = views.in_view(equirect_grid(90, 180, dtype=torch.float64))
    if not inside.any(0).all():
        raise UserError(
            f"views of {hfov_deg:g}° do not cover the sphere; give --hfov-deg of 72 or more",
            "out-of-range",
            "hfov_deg",
        )
    return views


def lay_back(
    maps: Tensor, views: ViewSet, height: int, width: int, shift: tuple[float, float] = (0, 0)
) -> Tensor:
    """Project maps of views back onto the panorama.

    Each direction gets the mean of the views that show it, interpolated bilinearly, with weights
    that fall towards the edge of a view (`edge_weight`).

    Args:
        maps: (V, C, h, w), floating point. Pixels fill a view as in `yt360.sphere.view_grid`.
        views: The V views, which cover the sphere.
        height: H.
        width: W.
        shift: Right and down, by which pixels are not at these positions but before them, as a
            fraction of half the view.

    Returns:
        (C, H, W).
    """
    plane, inside = views.in_view(equirect_grid(height, width, dtype=torch.float64))
    weight = torch.where(inside, edge_weight(plane), 0.0)
    where = (plane + plane.new_tensor(shift)).to(maps)
    values = grid_sample(maps, where, padding_mode="border", align_corners=False)
    weight = (weight / weight.sum(0)).to(maps)
    return torch.einsum("vhw,vchw->chw", weight, values)


def peak(values: Tensor) -> Tensor | None:
    """Return the direction (3,) of the largest value of a map (H, W); None if none is positive."""
    if not values.max() > 0:
        return None
    grid = equirect_grid(*values.shape, dtype=torch.float64)
    return grid.flatten(0, 1)[int(values.argmax())]
