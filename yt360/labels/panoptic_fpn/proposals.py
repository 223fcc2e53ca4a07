"""Region proposals (Ren et al. 2015): boxes that may contain an object of any class."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from yt360.labels.panoptic_fpn import boxes as box_ops
from yt360.labels.panoptic_fpn.backbone import STRIDES

ANCHOR_SIZES = {"p2": 32, "p3": 64, "p4": 128, "p5": 256, "p6": 512}
ANCHOR_RATIOS = (0.5, 1.0, 2.0)  # height / width
BEST_PER_LEVEL = 1000
BEST_OVERALL = 1000
NMS_IOU = 0.7


def anchors(level: str, height: int, width: int, device: torch.device) -> Tensor:
    """Return the anchors (height * width * A, 4) of a feature map, row by row, A fastest.

    Place (i, j) has its anchors centred on (j * stride, i * stride); they are not rounded.
    """
    corners = []
    for ratio in ANCHOR_RATIOS:
        w = math.sqrt(ANCHOR_SIZES[level] ** 2 / ratio)
        h = ratio * w
        corners.append((-w / 2, -h / 2, w / 2, h / 2))
    base = torch.tensor(corners, device=device)
    y = torch.arange(height, dtype=torch.float32, device=device) * STRIDES[level]
    x = torch.arange(width, dtype=torch.float32, device=device) * STRIDES[level]
    y, x = torch.meshgrid(y, x, indexing="ij")
    shifts = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)
    return (shifts + base).reshape(-1, 4)


class ProposalHead(nn.Module):
    """Objectness and box deltas of every anchor, with weights shared by all levels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness_logits = nn.Conv2d(channels, len(ANCHOR_RATIOS), 1)
        self.anchor_deltas = nn.Conv2d(channels, len(ANCHOR_RATIOS) * 4, 1)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) to logits (B, H * W * A) and deltas (B, H * W * A, 4)."""
        batch, _, height, width = feature.shape
        hidden = F.relu(self.conv(feature))
        logits = self.objectness_logits(hidden).permute(0, 2, 3, 1).flatten(1)
        deltas = self.anchor_deltas(hidden).view(batch, -1, 4, height, width)
        return logits, deltas.permute(0, 3, 4, 1, 2).flatten(1, 3)


class ProposalGenerator(nn.Module):
    """Selects at most 1,000 boxes per image from feature maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rpn_head = ProposalHead(channels)

    def forward(
        self, features: dict[str, Tensor], size: tuple[int, int]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return for each image boxes (R, 4) in network pixels and logits (R,), best first.

        Args:
            features: ``{"p2": (B, C, H, W), ..., "p6": ...}``.
            size: Height and width of the network input without padding.
        """
        answers = [(name, *self.rpn_head(feature)) for name, feature in features.items()]
        images = len(answers[0][1])
        found = []
        for image in range(images):
            levels = []
            for number, (name, logits, deltas) in enumerate(answers):
                height, width = features[name].shape[-2:]
                places = anchors(name, height, width, logits.device)
                best, index = logits[image].float().topk(min(BEST_PER_LEVEL, logits.shape[1]))
                boxes = box_ops.decode(deltas[image][index], places[index])
                levels.append((boxes, best, torch.full_like(index, number)))
            boxes, scores, level = (torch.cat(part) for part in zip(*levels, strict=True))
            found.append(_select(boxes, scores, level, size))
        return found


def _select(
    boxes: Tensor, scores: Tensor, level: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    from torchvision.ops import batched_nms  # here, because it imports for seconds

    finite = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores)
    boxes, scores, level = boxes[finite], scores[finite], level[finite]
    boxes = box_ops.clip(boxes, size)
    solid = box_ops.has_area(boxes)
    boxes, scores, level = boxes[solid], scores[solid], level[solid]
    keep = batched_nms(boxes, scores, level, NMS_IOU)[:BEST_OVERALL]
    return boxes[keep], scores[keep]
