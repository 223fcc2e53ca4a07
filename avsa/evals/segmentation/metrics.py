"""Pixel accuracy and mean intersection over union (mIoU), from confusion matrices.

Shapes: N images, C classes. Rows of a confusion matrix are targets, columns predictions. Pixels
without a target are in no matrix, whatever is predicted there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_TARGET = 255

Numbers = NDArray[np.float64]


def confusion_matrices(predicted: Tensor, targets: Tensor, num_classes: int) -> Tensor:
    """Return the confusion matrix of each image, int64 (N, C, C).

    Args:
        predicted: (N, ...) classes.
        targets: (N, ...) classes, or 255.
        num_classes: C.
    """
    images = len(targets)
    labelled = targets != NO_TARGET
    image = torch.arange(images, device=targets.device).view(-1, *[1] * (targets.ndim - 1))
    cells = (image * num_classes + targets.long()) * num_classes + predicted.long()
    counts = torch.bincount(cells[labelled], minlength=images * num_classes**2)
    return counts.view(images, num_classes, num_classes)


def class_iou(confusion: Numbers) -> Numbers:
    """Return intersection over union (..., C) of (..., C, C); NaN for classes without pixels."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    union = confusion.sum(-1) + confusion.sum(-2) - hits
    return np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)


def mean_iou(confusion: Numbers) -> Numbers:
    """Return the mean IoU (...) over the classes that are targets or predictions somewhere."""
    iou = class_iou(confusion)
    known = np.isfinite(iou)
    return _ratio(np.where(known, iou, 0).sum(-1), known.sum(-1))


def pixel_accuracy(confusion: Numbers) -> Numbers:
    """Return the fraction of labelled pixels (...) whose class is right."""
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


@dataclass(frozen=True)
class BatchMetrics:
    """The metrics of the paper's published code: means over batches.

    Attributes:
        pixel_accuracy: Over the labelled pixels of a batch.
        image_iou: Mean over all (image, class) of a batch whose union is not empty.
    """

    pixel_accuracy: float
    image_iou: float


def batch_metrics(confusion: Numbers) -> BatchMetrics | None:
    """Return the metrics of a batch of confusion matrices (N, C, C); None without targets."""
    if not confusion.any():
        return None
    iou = class_iou(confusion)
    return BatchMetrics(float(pixel_accuracy(confusion.sum(0))), float(np.nanmean(iou)))


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
