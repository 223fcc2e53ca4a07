"""Segmenting with this package's own Panoptic FPN."""

from __future__ import annotations

from collections.abc import Sequence
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
    NetworkClock,
    Segmentation,
    Source,
    arithmetic,
    from_segments,
    short_hash,
    smallest_stuff,
)


class NativeSegmenter:
    """Panoptic FPN R-101.

    Args:
        checkpoint: ``.pkl``, ``.pth`` or ``.safetensors`` (`load_network`).
        device: Where it runs.
        short_side: Side to which the shorter side of a picture is resized.
        long_side: What the longer side may not pass.
        stuff_area: Smallest stuff segment in pixels; None scales the published 4,096 pixels of a
            COCO picture to the size of each picture.
        mixed_precision: Compute in float16 on a GPU; ignored on a CPU.
    """

    def __init__(
        self,
        checkpoint: Path,
        device: torch.device,
        *,
        short_side: int = SHORT_SIDE,
        long_side: int = LONG_SIDE,
        stuff_area: float | None = None,
        mixed_precision: bool = False,
    ) -> None:
        self.network = load_network(checkpoint, device)
        self.device = device
        self.short_side, self.long_side, self.stuff_area = short_side, long_side, stuff_area
        self.mixed_precision = mixed_precision and device.type == "cuda"
        self._clock = NetworkClock(device)
        self.network.register_forward_pre_hook(lambda *_: self._clock.start())
        self.network.register_forward_hook(lambda *_: self._clock.stop())
        self._fingerprint = short_hash(checkpoint)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the answers; device and precision may differ between workers."""
        return {
            "segmenter": "panoptic-fpn",
            "checkpoint": self._fingerprint,
            "short_side": self.short_side,
            "long_side": self.long_side,
            "stuff_area": self.stuff_area,
            "instance_score": INSTANCE_SCORE,
            "instance_overlap": INSTANCE_OVERLAP,
        }

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._clock.seconds

    def segment(self, pictures: Tensor, sources: Sequence[Source]) -> list[Segmentation]:  # noqa: ARG002
        """Segment pictures (B, H, W, 3) uint8 of one size."""
        return [_segmentation(panoptic) for panoptic in self.panoptic(pictures)]

    def panoptic(self, pictures: Tensor) -> list[Panoptic]:
        """Return panoptic maps, as detectron2 gives them, of pictures (B, H, W, 3) uint8."""
        area = self.stuff_area
        if area is None:
            area = smallest_stuff(pictures.shape[1], pictures.shape[2], STUFF_AREA)
        with arithmetic(self.device, mixed_precision=self.mixed_precision):
            return self.network.segment(
                pictures, short_side=self.short_side, long_side=self.long_side, stuff_area=area
            )


def _segmentation(panoptic: Panoptic) -> Segmentation:
    segments = [
        (s.id, s.category + (0 if s.is_thing else NUM_THINGS), s.score) for s in panoptic.segments
    ]
    found = from_segments(panoptic.ids, segments)
    return Segmentation(found.classes, panoptic.scores, found.instances)
