"""Batches of images that fit into the memory of the device."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from yt360.errors import UserError
from yt360.labels.segmenters.base import Finish, ImageOrigin, Segmentation, Segmenter

GPU_BATCH = 8

log = logging.getLogger(__name__)


def usual_batch(device: torch.device) -> int:
    """Return the default batch size: 8 images on a GPU, 1 on a CPU."""
    return GPU_BATCH if device.type == "cuda" else 1


class Batches:
    """Segments images in batches; a batch that does not fit into memory is halved.

    Args:
        segmenter: The segmenter.
        size: Initial batch size, at least 1.

    Attributes:
        size: Current batch size; it never increases.
    """

    def __init__(self, segmenter: Segmenter, size: int) -> None:
        if size < 1:
            raise UserError(f"the batch size is {size}; use 1 or more", "out-of-range", "batch")
        self.segmenter, self.size = segmenter, size

    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:
        """Segment images (B, H, W, 3) uint8 of one size, in order.

        Raises:
            UserError: A single image does not fit into memory.
        """
        return self.start(images, origins)()

    def start(self, images: Tensor, origins: Sequence[ImageOrigin]) -> Finish:
        """Run the network on images, and return a function that completes their segmentations.

        Raises:
            UserError: See `segment`.
        """
        parts: list[Finish] = []
        done = 0
        while done < len(images):
            part = slice(done, done + self.size)
            try:
                parts.append(self._start(images[part], origins[part]))
            except torch.OutOfMemoryError:
                height, width = images.shape[1:3]
                self.halve(len(images), (height, width))
            else:
                done += len(images[part])
        return lambda: [found for finish in parts for found in finish()]

    def _start(self, images: Tensor, origins: Sequence[ImageOrigin]) -> Finish:
        if hasattr(self.segmenter, "start"):
            finish: Finish = self.segmenter.start(images, origins)
            return finish
        found = self.segmenter.segment(images, origins)
        return lambda: found

    def halve(self, tried: int, shape: tuple[int, int]) -> None:
        """Halve the batch size after the device ran out of memory.

        Args:
            tried: Number of images; if fewer than a batch, half of them.
            shape: Height and width of an image.

        Raises:
            UserError: A single image does not fit into memory.
        """
        if self.size == 1:
            raise UserError(
                f"the device runs out of memory for a single image of {shape[1]}x{shape[0]}; "
                "reduce --short-side or --view-size, or use another --device",
                "system",
            ) from None
        self.size = min(self.size, tried) // 2 or 1
        log.warning("out of memory: going on with batches of %d", self.size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
