"""Segmenters by name and options."""

from __future__ import annotations

from typing import Any

import torch

from yt360.labels.segmenters import SEGMENTERS


def make_segmenter(kind: str = "panoptic-fpn", **options: Any) -> Any:
    """Return a segmenter on the CPU."""
    return SEGMENTERS.configure(kind, options).build(torch.device("cpu"))
