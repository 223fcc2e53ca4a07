"""Segmenters by name and options, and one that reads classes off painted spheres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from scipy import ndimage

from yt360.labels.classes import NO_CLASS, NUM_THINGS, palette
from yt360.labels.segmenters import SEGMENTERS
from yt360.labels.segmenters.base import Segmentation

SKY, GRASS, PERSON, CAR = 120, 126, 0, 2


def make_segmenter(kind: str = "panoptic-fpn", **options: Any) -> Any:
    """Return a segmenter on the CPU."""
    return SEGMENTERS.configure(kind, options).build(torch.device("cpu"))


class PaintSegmenter:
    """Sees only pixels: a pixel's class is the one whose palette colour is nearest."""

    def __init__(self):
        self.network_s = 0.0
        self.facts = {"segmenter": "paint"}
        self.calls = []
        self._colors = torch.from_numpy(palette()).float()
        self._used = torch.tensor([SKY, GRASS, PERSON, CAR, NO_CLASS])

    def segment(self, pictures, sources):
        self.calls.append(len(pictures))
        assert len(pictures) == len(sources)
        distance = torch.cdist(pictures.float().flatten(1, 2), self._colors[self._used])
        classes = self._used[distance.argmin(-1)].reshape(pictures.shape[:3])
        return [self._one(each.to(torch.uint8)) for each in classes]

    def _one(self, classes):
        parts, _ = ndimage.label((classes < NUM_THINGS).numpy())
        instances = torch.from_numpy(parts).int()
        scores = (classes != NO_CLASS).float()
        return Segmentation(classes, scores, instances)


@dataclass(frozen=True)
class PaintConfig:
    """Config of `PaintSegmenter`."""

    def build(self, _device):
        return PaintSegmenter()
