"""Classify proposals and predict their boxes and masks (Mask R-CNN, He et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from yt360.labels.classes import NUM_THINGS
from yt360.labels.panoptic_fpn import boxes as box_ops
from yt360.labels.panoptic_fpn.backbone import STRIDES

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
SCORE_THRESHOLD = 0.05
NMS_IOU = 0.5
MAX_DETECTIONS = 100
ROI_LEVELS = ("p2", "p3", "p4", "p5")


@dataclass(frozen=True)
class Detections:
    """Objects of one image, best first, in pixels of the network input.

    Attributes:
        boxes: (R, 4) corners x1, y1, x2, y2.
        scores: (R,) in [0, 1].
        classes: (R,) things, 0 to 79.
        masks: (R, 28, 28) probabilities inside the box.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    masks: Tensor


def pool(features: dict[str, Tensor], boxes: list[Tensor], side: int) -> Tensor:
    """Pool boxes from the feature map that fits their size.

    Args:
        features: ``{"p2": (B, C, H, W), ...}``.
        boxes: For each of B images (R_b, 4) in network pixels.
        side: Cells along each side of the result.

    Returns:
        (sum of R_b, C, side, side): a box of 224 pixels reads p4 (Lin et al. 2017, equation 1).
    """
    from torchvision.ops import roi_align  # here, because it imports for seconds

    counts = torch.tensor([len(part) for part in boxes], device=boxes[0].device)
    images = torch.repeat_interleave(torch.arange(len(boxes), device=counts.device), counts)
    flat = torch.cat(boxes)
    # Use float32, because coordinates in float16 have errors of half a pixel.
    rois = torch.cat((images[:, None].float(), flat.float()), dim=1)
    level = torch.floor(4 + torch.log2(torch.sqrt(box_ops.areas(flat)) / 224 + 1e-8))
    level = level.clamp(2, 5).to(torch.int64)
    pooled = rois.new_zeros((len(flat), features["p2"].shape[1], side, side))
    for name in ROI_LEVELS:
        here = torch.nonzero(level == int(name[1:]))[:, 0]
        if len(here):
            scale = 1.0 / STRIDES[name]
            pooled[here] = roi_align(
                features[name].float(), rois[here], side, scale, sampling_ratio=0, aligned=True
            )
    return pooled


class BoxHead(nn.Module):
    """Two fully connected layers over 7 x 7 cells."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels * 49, hidden)
        self.fc2 = nn.Linear(hidden, hidden)

    def forward(self, cells: Tensor) -> Tensor:
        """Map (R, C, 7, 7) to (R, hidden)."""
        return F.relu(self.fc2(F.relu(self.fc1(cells.flatten(1)))))


class BoxPredictor(nn.Module):
    """Class scores (background last) and one box per class."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(hidden, NUM_THINGS + 1)
        self.bbox_pred = nn.Linear(hidden, NUM_THINGS * 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (R, hidden) to logits (R, 81) and deltas (R, 320)."""
        return self.cls_score(x), self.bbox_pred(x)


class MaskHead(nn.Module):
    """Four convolutions, one deconvolution, one mask per class."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.mask_fcn1 = nn.Conv2d(channels, hidden, 3, padding=1)
        self.mask_fcn2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.mask_fcn3 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.mask_fcn4 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.deconv = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
        self.predictor = nn.Conv2d(hidden, NUM_THINGS, 1)

    def forward(self, cells: Tensor, classes: Tensor) -> Tensor:
        """Map cells (R, C, 14, 14) to probabilities (R, 28, 28) of each box's own class."""
        x = cells
        for layer in (self.mask_fcn1, self.mask_fcn2, self.mask_fcn3, self.mask_fcn4, self.deconv):
            x = F.relu(layer(x))
        logits = self.predictor(x)
        rows = torch.arange(len(classes), device=classes.device)
        return logits[rows, classes].float().sigmoid()


class DetectionHeads(nn.Module):
    """Classes, boxes and masks of the proposals."""

    def __init__(self, channels: int, box_hidden: int, mask_hidden: int) -> None:
        super().__init__()
        self.box_head = BoxHead(channels, box_hidden)
        self.box_predictor = BoxPredictor(box_hidden)
        self.mask_head = MaskHead(channels, mask_hidden)

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        size: tuple[int, int],
        mask_score: float = 0.0,
    ) -> list[Detections]:
        """Detect objects.

        Args:
            features: ``{"p2": (B, C, H, W), ...}``.
            proposals: For each image (R, 4).
            size: Height and width of the network input without padding.
            mask_score: Detections below this score are dropped before their mask is computed.
        """
        x = self.box_head(pool(features, proposals, 7))
        logits, deltas = self.box_predictor(x)
        counts = [len(part) for part in proposals]
        boxes = box_ops.decode(deltas, torch.cat(proposals), BOX_WEIGHTS)
        scores = torch.softmax(logits.float(), dim=-1)
        kept = [
            _select(box, score, size, mask_score)
            for box, score in zip(boxes.split(counts), scores.split(counts), strict=True)
        ]
        cells = pool(features, [box for box, _, _ in kept], 14)
        masks = self.mask_head(cells, torch.cat([label for _, _, label in kept]))
        parts = masks.split([len(box) for box, _, _ in kept])
        return [Detections(*found, mask) for found, mask in zip(kept, parts, strict=True)]


def _select(
    boxes: Tensor, scores: Tensor, size: tuple[int, int], lowest: float
) -> tuple[Tensor, Tensor, Tensor]:
    from torchvision.ops import batched_nms  # here, because it imports for seconds

    finite = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores).all(dim=1)
    boxes, scores = boxes[finite], scores[finite, :-1]
    boxes = box_ops.clip(boxes.view(-1, NUM_THINGS, 4), size)
    passing = scores > SCORE_THRESHOLD
    classes = torch.nonzero(passing)[:, 1]
    boxes, scores = boxes[passing], scores[passing]
    keep = batched_nms(boxes, scores, classes, NMS_IOU)[:MAX_DETECTIONS]
    keep = keep[scores[keep] >= lowest]
    return boxes[keep], scores[keep], classes[keep]
