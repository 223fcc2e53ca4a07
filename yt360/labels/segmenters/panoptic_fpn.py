"""The Panoptic FPN of this package (`yt360.labels.panoptic_fpn`) as a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from yt360.labels.classes import NUM_THINGS
from yt360.labels.panoptic_fpn.checkpoint import load_network
from yt360.labels.panoptic_fpn.merge import (
    INSTANCE_OVERLAP,
    INSTANCE_SCORE,
    STUFF_AREA,
    Panoptic,
)
from yt360.labels.panoptic_fpn.preprocess import LONG_SIDE, SHORT_SIDE
from yt360.labels.segmenters.base import (
    ImageOrigin,
    NetworkClock,
    Segmentation,
    arithmetic,
    from_segments,
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

    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:  # noqa: ARG002
        """Segment images (B, H, W, 3) uint8 of one size."""
        return [_segmentation(panoptic) for panoptic in self.panoptic(images)]

    def panoptic(self, images: Tensor) -> list[Panoptic]:
        """Return panoptic maps, as detectron2 gives them, of images (B, H, W, 3) uint8."""
        area = self.config.stuff_area
        if area is None:
            area = smallest_stuff(images.shape[1], images.shape[2], STUFF_AREA)
        with arithmetic(self.device, mixed_precision=self.mixed_precision):
            return self.network.segment(
                images,
                short_side=self.config.short_side,
                long_side=self.config.long_side,
                stuff_area=area,
            )


def _segmentation(panoptic: Panoptic) -> Segmentation:
    segments = [
        (s.id, s.category + (0 if s.is_thing else NUM_THINGS), s.score) for s in panoptic.segments
    ]
    found = from_segments(panoptic.ids, segments)
    return Segmentation(found.classes, panoptic.scores, found.instances)
