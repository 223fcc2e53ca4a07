"""Merge detections and stuff into one panoptic map at the size of the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
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
    left, top = (max(int(torch.floor(v)) - 1, 0) for v in (box[0], box[1]))
    right = min(int(torch.ceil(box[2])) + 1, width)
    bottom = min(int(torch.ceil(box[3])) + 1, height)
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
    ids = torch.zeros(semantic.shape, dtype=torch.int32, device=semantic.device)
    scores = torch.zeros(semantic.shape, device=semantic.device)
    segments = _paint_things(found, ids, scores)
    segments += _paint_stuff(semantic, probability, ids, scores, stuff_area, len(segments))
    return Panoptic(ids, scores, segments)


def _paint_things(found: Detections, ids: Tensor, scores: Tensor) -> list[Segment]:
    segments: list[Segment] = []
    size = (ids.shape[0], ids.shape[1])
    for index in torch.argsort(-found.scores).tolist():
        score = float(found.scores[index])
        if score < INSTANCE_SCORE:
            break
        mask, top, left = paste(found.masks[index], found.boxes[index], size)
        rows, columns = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
        window = ids[rows, columns]
        area = int(mask.sum())
        covered = int((mask & (window > 0)).sum())
        if area == 0 or covered / area > INSTANCE_OVERLAP:
            continue
        free = mask & (window == 0)
        number = len(segments) + 1
        window[free] = number
        scores[rows, columns][free] = score
        segments.append(Segment(number, True, int(found.classes[index]), area - covered, score))
    return segments


def _paint_stuff(
    semantic: Tensor, probability: Tensor, ids: Tensor, scores: Tensor, stuff_area: float, used: int
) -> list[Segment]:
    free = ids == 0
    labels, sure = semantic[free], probability[free].to(scores.dtype)
    areas = torch.bincount(labels, minlength=NUM_STUFF)
    sums = torch.bincount(labels, weights=sure, minlength=NUM_STUFF)
    number_of = torch.zeros(NUM_STUFF, dtype=ids.dtype)
    segments: list[Segment] = []
    for label, area in enumerate(areas.tolist()):
        if label == 0 or area == 0 or area < stuff_area:
            continue
        number = used + len(segments) + 1
        number_of[label] = number
        segments.append(Segment(number, False, label, area, float(sums[label]) / area))
    painted = number_of[labels]
    ids[free] = painted
    scores[free] = sure * (painted > 0)
    return segments
