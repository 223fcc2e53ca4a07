"""Boxes as (x1, y1, x2, y2) in pixels: decoding of deltas, clipping, areas."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000.0 / 16)  # a larger predicted growth would overflow exp()


def decode(
    deltas: Tensor, boxes: Tensor, weights: tuple[float, float, float, float] = (1, 1, 1, 1)
) -> Tensor:
    """Apply predicted deltas to reference boxes (Girshick et al. 2014, appendix C).

    Args:
        deltas: (R, K * 4): for each of K classes dx, dy, dw, dh, scaled by `weights`.
        boxes: (R, 4) reference boxes.
        weights: Factors of dx, dy, dw, dh in training.

    Returns:
        (R, K * 4) boxes.
    """
    deltas, boxes = deltas.float(), boxes.float()
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    center_x, center_y = boxes[:, 0] + 0.5 * width, boxes[:, 1] + 0.5 * height
    dx, dy = deltas[:, 0::4] / weights[0], deltas[:, 1::4] / weights[1]
    dw = torch.clamp(deltas[:, 2::4] / weights[2], max=MAX_LOG_SCALE)
    dh = torch.clamp(deltas[:, 3::4] / weights[3], max=MAX_LOG_SCALE)
    x, y = dx * width[:, None] + center_x[:, None], dy * height[:, None] + center_y[:, None]
    w, h = torch.exp(dw) * width[:, None], torch.exp(dh) * height[:, None]
    corners = torch.stack((x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h), dim=-1)
    return corners.reshape(deltas.shape)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip boxes (..., 4) to an image of `size` (height, width)."""
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(
        (x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)), dim=-1
    )


def areas(boxes: Tensor) -> Tensor:
    """Return the areas (R,) of boxes (R, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def has_area(boxes: Tensor) -> Tensor:
    """Tell which boxes (R, 4) have positive width and height, as a mask (R,)."""
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
