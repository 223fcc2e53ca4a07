"""The Panoptic FPN of this package (`yt360.labels.panoptic_fpn`) as a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yt360.labels.classes import NO_CLASS
from yt360.labels.panoptic_fpn.checkpoint import load_network
from yt360.labels.panoptic_fpn.merge import (
    INSTANCE_OVERLAP,
    INSTANCE_SCORE,
    STUFF_AREA,
    Panoptic,
)
from yt360.labels.panoptic_fpn.preprocess import LONG_SIDE, SHORT_SIDE
from yt360.labels.segmenters.base import (
    Finish,
    ImageOrigin,
    NetworkClock,
    Segmentation,
    arithmetic,
    short_hash,
    smallest_stuff,
)


@dataclass(frozen=True, kw_only=True)
class PanopticFPNConfig:
    """The Panoptic FPN R-101 of this package."""

    kind: str = "panoptic-fpn"
    checkpoint: Path
    """Weights: ``.pkl``, ``.pth`` or ``.safetensors`` (`load_network`)."""
    short_side: int = SHORT_SIDE
    """Size in pixels to which the shorter side of an image is resized."""
    long_side: int = LONG_SIDE
    """Maximum of the longer side."""
    stuff_area: float | None = None
    """Minimum area of a stuff segment in pixels; None scales the published 4,096 pixels of a COCO
    image to the size of each image."""
    mixed_precision: bool = False
    """Compute in float16 on a GPU; ignored on a CPU."""

    def build(self, device: torch.device) -> PanopticFPNSegmenter:
        """Return the segmenter; see `SegmenterConfig`."""
        return PanopticFPNSegmenter(self, device)


class PanopticFPNSegmenter:
    """Segments by the Panoptic FPN R-101."""

    def __init__(self, config: PanopticFPNConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.network = load_network(config.checkpoint, device)
        self.mixed_precision = config.mixed_precision and device.type == "cuda"
        self._clock = NetworkClock(device)
        self.network.register_forward_pre_hook(lambda *_: self._clock.start())
        self.network.register_forward_hook(lambda *_: self._clock.stop())
        self._fingerprint = short_hash(config.checkpoint)

    @property
    def facts(self) -> dict[str, Any]:
        """What determines the result; device and precision may differ between workers."""
        return {
            "segmenter": "panoptic-fpn",
            "checkpoint": self._fingerprint,
            "short_side": self.config.short_side,
            "long_side": self.config.long_side,
            "stuff_area": self.config.stuff_area,
            "instance_score": INSTANCE_SCORE,
            "instance_overlap": INSTANCE_OVERLAP,
        }

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._clock.seconds

    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:
        """Segment images (B, H, W, 3) uint8 of one size."""
        return self.start(images, origins)()

    def start(self, images: Tensor, origins: Sequence[ImageOrigin]) -> Finish:  # noqa: ARG002
        """Run the network; merging is left to the function returned, see `Segmenter`."""
        finish = self._start(images)
        return lambda: [_segmentation(panoptic) for panoptic in finish()]

    def panoptic(self, images: Tensor) -> list[Panoptic]:
        """Return panoptic maps, as detectron2 gives them, of images (B, H, W, 3) uint8."""
        return self._start(images)()

    def _start(self, images: Tensor) -> Callable[[], list[Panoptic]]:
        area = self.config.stuff_area
        if area is None:
            area = smallest_stuff(images.shape[1], images.shape[2], STUFF_AREA)
        with arithmetic(self.device, mixed_precision=self.mixed_precision):
            found = self.network.predict(images, self.config.short_side, self.config.long_side)
        return partial(found.panoptic, area)


def _segmentation(panoptic: Panoptic) -> Segmentation:
    classes = np.full(len(panoptic.segments) + 1, NO_CLASS, np.uint8)
    instances = np.zeros(len(panoptic.segments) + 1, np.int32)
    for segment in panoptic.segments:
        classes[segment.id] = segment.joint
        instances[segment.id] = segment.id if segment.is_thing else 0
    ids = panoptic.ids.numpy()
    return Segmentation(
        torch.from_numpy(classes[ids]), panoptic.scores, torch.from_numpy(instances[ids])
    )
