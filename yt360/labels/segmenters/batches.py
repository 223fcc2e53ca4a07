"""Feeding a segmenter in batches that fit the device's memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from yt360.errors import UserError
from yt360.labels.segmenters.base import Segmentation, Segmenter, Source

GPU_BATCH = 8

log = logging.getLogger(__name__)


def usual_batch(device: torch.device) -> int:
    """Return how many pictures at once are fast: some on a GPU, one on a CPU."""
    return GPU_BATCH if device.type == "cuda" else 1


class Batches:
    """Cut pictures into batches; where a batch does not fit, halve it and go on.

    Args:
        segmenter: What segments.
        size: Pictures a batch to begin with, at least 1.

    Attributes:
        size: Pictures a batch now; it shrinks and never grows again.
    """

    def __init__(self, segmenter: Segmenter, size: int) -> None:
        if size < 1:
            raise UserError(f"a batch of {size} pictures is impossible; give 1 or more")
        self.segmenter, self.size = segmenter, size

    def segment(self, pictures: Tensor, sources: Sequence[Source]) -> list[Segmentation]:
        """Segment pictures (B, H, W, 3) uint8 of one size, in order.

        Raises:
            UserError: Not even one picture fits the memory.
        """
        answers: list[Segmentation] = []
        while len(answers) < len(pictures):
            part = slice(len(answers), len(answers) + self.size)
            try:
                answers += self.segmenter.segment(pictures[part], sources[part])
            except torch.OutOfMemoryError:
                height, width = pictures.shape[1:3]
                self.halve(len(pictures), (height, width))
        return answers

    def halve(self, tried: int, shape: tuple[int, int]) -> None:
        """Go on with half the batch, after the device's memory was too small.

        Args:
            tried: How many pictures there were; when fewer than a batch, half of these.
            shape: Height and width of a picture.

        Raises:
            UserError: Not even one picture fits the memory.
        """
        if self.size == 1:
            raise UserError(
                f"the device has no memory for a single picture of {shape[1]}x{shape[0]}; "
                "lower --short-side or --view-size, or use another --device"
            ) from None
        self.size = min(self.size, tried) // 2 or 1
        log.warning("out of memory: going on with batches of %d", self.size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
