"""Merge detections and stuff into one panoptic map at the size of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from yt360.labels.classes import NUM_STUFF
from yt360.labels.panoptic_fpn import boxes as box_ops
from yt360.labels.panoptic_fpn.detections import Detections
from yt360.labels.segments import Segment

INSTANCE_SCORE = 0.5
INSTANCE_OVERLAP = 0.5
STUFF_AREA = 4096
MASK_THRESHOLD = 0.5


@dataclass(frozen=True)
class Panoptic:
    """A panoptic map.

    Attributes:
        ids: (H, W) int32, 0 for none.
        scores: (H, W) float32 score of the object or probability of the stuff class; 0 for none.
        segments: Segments in the order of their ids.
    """

    ids: Tensor
    scores: Tensor
    segments: list[Segment]


def to_output(found: Detections, network: tuple[int, int], output: tuple[int, int]) -> Detections:
    """Scale boxes from the network input to the output size, clip them, and drop empty ones."""
    scale = torch.tensor(
        [output[1] / network[1], output[0] / network[0]] * 2, device=found.boxes.device
    )
    boxes = box_ops.clip(found.boxes * scale, output)
    solid = box_ops.has_area(boxes)
    return Detections(boxes[solid], found.scores[solid], found.classes[solid], found.masks[solid])


def paste(mask: Tensor, box: Tensor, size: tuple[int, int]) -> tuple[Tensor, int, int]:
    """Place a 28 x 28 mask into an image.

    Args:
        mask: (28, 28) probabilities.
        box: (4,) in pixels of the image.
        size: Height and width of the image.

    Returns:
        Boolean window (h, w) around the box, and its row and column. The mask is empty outside the
        window.
    """
    height, width = size
    x1, y1, x2, y2 = box.tolist()
    left, top = max(math.floor(x1) - 1, 0), max(math.floor(y1) - 1, 0)
    right, bottom = min(math.ceil(x2) + 1, width), min(math.ceil(y2) + 1, height)
    y = torch.arange(top, bottom, device=box.device, dtype=torch.float32) + 0.5
    x = torch.arange(left, right, device=box.device, dtype=torch.float32) + 0.5
    y = (y - box[1]) / (box[3] - box[1]) * 2 - 1
    x = (x - box[0]) / (box[2] - box[0]) * 2 - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)
    values = F.grid_sample(mask[None, None].float(), grid[None], align_corners=False)
    return values[0, 0] >= MASK_THRESHOLD, top, left


def merge(
    found: Detections,
    semantic: Tensor,
    probability: Tensor,
    stuff_area: float = STUFF_AREA,
) -> Panoptic:
    """Merge objects and stuff of one image (Kirillov et al. 2019, section 4.1).

    Objects are painted by decreasing score. Objects with a score below 0.5, and objects of which
    more than half is covered by better ones, are dropped. Stuff fills free pixels; stuff segments
    below `stuff_area` pixels and stuff class 0 ("things") are dropped.

    Args:
        found: Objects in pixels of the image.
        semantic: (H, W) most probable stuff class of every pixel.
        probability: (H, W) its probability.
        stuff_area: Minimum area of a stuff segment in pixels. The published value is absolute
            (4,096 pixels of a COCO image) and removes much stuff in small images.
    """
    ids = np.zeros(semantic.shape, np.int32)
    scores = np.zeros(semantic.shape, np.float32)
    segments = _paint_things(found, ids, scores)
    segments += _paint_stuff(semantic, probability, ids, scores, stuff_area, len(segments))
    return Panoptic(torch.from_numpy(ids), torch.from_numpy(scores), segments)


def _paint_things(
    found: Detections, ids: NDArray[np.int32], scores: NDArray[np.float32]
) -> list[Segment]:
    segments: list[Segment] = []
    size = (ids.shape[0], ids.shape[1])
    score_of, class_of = found.scores.tolist(), found.classes.tolist()
    for index in torch.argsort(-found.scores).tolist():
        score = score_of[index]
        if score < INSTANCE_SCORE:
            break
        pasted, top, left = paste(found.masks[index], found.boxes[index], size)
        mask = pasted.numpy()
        window = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        free = mask & (ids[window] == 0)
        area, visible = int(np.count_nonzero(mask)), int(np.count_nonzero(free))
        if area == 0 or (area - visible) / area > INSTANCE_OVERLAP:
            continue
        number = len(segments) + 1
        ids[window][free] = number
        scores[window][free] = score
        segments.append(Segment(number, True, class_of[index], visible, score))
    return segments


def _paint_stuff(
    semantic: Tensor,
    probability: Tensor,
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    stuff_area: float,
    used: int,
) -> list[Segment]:
    # One more label stands for pixels that are not free.
    free = torch.from_numpy(ids == 0)
    labels = torch.where(free, semantic.to(torch.uint8), NUM_STUFF)
    flat, sure = labels.flatten(), probability.float()
    areas = torch.bincount(flat, minlength=NUM_STUFF + 1)[:NUM_STUFF].tolist()
    sums = torch.bincount(flat, weights=sure.flatten(), minlength=NUM_STUFF + 1).tolist()
    number_of = np.zeros(NUM_STUFF + 1, np.int32)
    segments: list[Segment] = []
    for label, area in enumerate(areas):
        if label == 0 or area == 0 or area < stuff_area:
            continue
        number_of[label] = number = used + len(segments) + 1
        segments.append(Segment(number, False, label, area, sums[label] / area))
    painted = number_of[labels.numpy()]
    ids += painted
    np.copyto(scores, sure.numpy(), where=painted > 0)
    return segments
