"""Extract overlapping views of the sphere, and fuse their segmentations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from yt360.errors import UserError
from yt360.labels.classes import NO_CLASS
from yt360.labels.segmenters.base import Segmentation
from yt360.labels.sphere.instances import link_instances
from yt360.labels.sphere.views import ViewSet
from yt360.sphere import angle_between, equirect_grid, sample_equirect

EDGE_WEIGHT = 1e-3


def edge_weight(plane: Tensor) -> Tensor:
    """Return the weight of a view at image-plane coordinates (..., 2) in [-1, 1].

    The weight is a raised cosine of the distance to the center, from 1 at the center to almost 0 at
    the edge, where objects are cut and context is missing. It is not 0, because some pixels of the
    sphere are only at the edges of views.
    """
    distance = plane.abs().amax(-1).clamp(max=1)
    return torch.cos(distance * (math.pi / 2)) ** 2 + EDGE_WEIGHT


@dataclass(frozen=True)
class FusionTable:
    """The view pixels that show each pixel of the map, and their weights.

    S is the maximum number of views that show a pixel.

    Attributes:
        source: (S, H * W) int64, index into all pixels of all views.
        view: (S, H * W) int64, number of the view; -1 where fewer than S views show the pixel.
        weight: (S, H * W) float32; 0 where `view` is -1.
        height: H.
        width: W.
    """

    source: Tensor
    view: Tensor
    weight: Tensor
    height: int
    width: int


def make_fusion_table(views: ViewSet, side: int, height: int, width: int) -> FusionTable:
    """Compute the table that all frames of one size share.

    Args:
        views: The views.
        side: Pixels along each side of a view.
        height: Rows of the equirectangular map.
        width: Columns of the map.

    Raises:
        UserError: Some pixel of the map is in no view.
    """
    grid = equirect_grid(height, width, dtype=torch.float64).reshape(-1, 3)
    plane, inside = views.in_view(grid)
    if not bool(inside.any(0).all()):
        raise UserError(f"the views {views.name!r} do not cover the sphere", key="--views")
    weight = torch.where(inside, edge_weight(plane), 0.0)
    pixel = ((plane.clamp(-1, 1) + 1) * (side / 2)).long().clamp(0, side - 1)
    number = torch.arange(len(views))[:, None]
    source = (number * side + pixel[..., 1]) * side + pixel[..., 0]
    slots = int(inside.sum(0).max())
    weight, order = weight.topk(slots, dim=0)
    view = torch.where(weight > 0, order, -1)
    return FusionTable(source.gather(0, order), view, weight.float(), height, width)


def render_views(frames: Tensor, directions: Tensor, around: float | None = None) -> Tensor:
    """Cut views out of panoramas.

    Panoramas with a much higher resolution than the views are averaged down first, to avoid
    aliasing.

    Args:
        frames: (T, H, W, 3) uint8 equirectangular, W even.
        directions: (V, h, w, 3) of the views' pixels.
        around: The `pixels_around` of `directions`, if known.

    Returns:
        (T, V, h, w, 3) uint8.
    """
    images = frames.permute(0, 3, 1, 2).float()
    height, width = frames.shape[1:3]
    shrink = max(1.0, round(width / (around or pixels_around(directions))))
    if shrink > 1 or width % 2:
        size = (max(1, round(height / shrink)), max(1, round(width / shrink / 2)) * 2)
        images = torch.nn.functional.interpolate(images, size, mode="area")
    num_views, h, w = directions.shape[:3]
    # Sample all views as one tall image, which avoids a copy of the panorama for each view.
    sampled = sample_equirect(images, directions.reshape(num_views * h, w, 3).to(images))
    sampled = sampled.round().clamp(0, 255).to(torch.uint8)
    return sampled.reshape(len(frames), 3, num_views, h, w).permute(0, 2, 3, 4, 1)


def pixels_around(directions: Tensor) -> float:
    """Return the number of pixels of the size at a view's center around the equator."""
    h, w = directions.shape[1:3]
    left, right = directions[0, h // 2, w // 2 - 1], directions[0, h // 2, w // 2]
    return 2 * math.pi / float(angle_between(left, right))


def fuse(
    views: Sequence[Segmentation], table: FusionTable, *, with_instances: bool = False
) -> Segmentation:
    """Fuse the segmentations of all views to a map of the sphere.

    In every pixel, each view votes for its class with its score times its `edge_weight`; the class
    with the largest sum wins. A view without a class there does not vote.

    Args:
        views: Segmentations, in the order of the set of views.
        table: From `make_fusion_table`.
        with_instances: Also join the parts of an object that several views show.

    Returns:
        The map (H, W). Its scores are the votes of the winner divided by the sum of the weights.
        Without `with_instances`, its instances are 0.
    """
    classes = torch.stack([view.classes for view in views]).reshape(-1)[table.source]
    view_scores = torch.stack([view.scores for view in views]).reshape(-1)[table.source]
    votes = view_scores * table.weight * (classes != NO_CLASS)
    sums = torch.stack([(votes * (classes == wanted)).sum(0) for wanted in classes])
    most, winner = sums.max(0)
    fused = classes.gather(0, winner[None])[0]
    fused[most == 0] = NO_CLASS
    shape = (table.height, table.width)
    instances = torch.zeros(shape, dtype=torch.int32)
    if with_instances:
        seen = _numbered(views)[table.source]
        area = torch.cos(_elevations(table.height)).repeat_interleave(table.width)
        instances = link_instances(classes, seen, table.view, votes, fused, area).reshape(shape)
    scores = most / table.weight.sum(0)
    return Segmentation(fused.reshape(shape), scores.reshape(shape), instances)


def _numbered(views: Sequence[Segmentation]) -> Tensor:
    """Return the instances of all views with unique numbers; 0 stays none."""
    parts, used = [], 0
    for view in views:
        ids = view.instances.long()
        parts.append(torch.where(ids > 0, ids + used, 0))
        used += int(ids.max()) if ids.numel() else 0
    return torch.stack(parts).reshape(-1)


def _elevations(height: int) -> Tensor:
    return (0.5 - (torch.arange(height) + 0.5) / height) * math.pi
