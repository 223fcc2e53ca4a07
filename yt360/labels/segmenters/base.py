"""The interface of a segmenter: pictures in; class, score and instance of every pixel out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from yt360.labels.classes import NO_CLASS, NUM_THINGS


@dataclass(frozen=True)
class Segmentation:
    """The answer for one picture; tensors on the CPU.

    Attributes:
        classes: (H, W) uint8, joint numbers (`yt360.labels.classes`); 134 for none.
        scores: (H, W) float32 in [0, 1]; how sure the class is, 0 for none.
        instances: (H, W) int32: objects of the picture from 1; 0 for stuff and none.
    """

    classes: Tensor
    scores: Tensor
    instances: Tensor


@dataclass(frozen=True)
class Source:
    """Where and when a picture was taken.

    Networks look at pixels alone; the ground truth of synthetic scenes is looked up by this.

    Attributes:
        key: Clip of the picture.
        time_s: Seconds since the clip's start.
        directions: (H, W, 3) world direction of every pixel; None outside of panoramas.
    """

    key: str
    time_s: float
    directions: Tensor | None = None


class NetworkClock:
    """Adds up the time that a device spends inside a network.

    Use `start` and `stop`, or the clock itself as a context manager.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0

    def start(self) -> None:
        """Begin to count."""
        self._started = self._now()

    def stop(self) -> None:
        """Count what has passed since `start`."""
        self.seconds += self._now() - self._started

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # or it would stop before the work is done
        return time.perf_counter()


class Segmenter(Protocol):
    """What all ways of segmenting offer."""

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """Whatever decides the answers, as JSON values; stored with the labels."""
        ...

    def segment(self, pictures: Tensor, sources: Sequence[Source]) -> list[Segmentation]:
        """Segment pictures of one size.

        Args:
            pictures: (B, H, W, 3) uint8 RGB.
            sources: One for each picture.

        Raises:
            torch.OutOfMemoryError: The batch is too large for the device.
        """
        ...


def from_segments(ids: Tensor, segments: Sequence[tuple[int, int, float]]) -> Segmentation:
    """Return the segmentation behind a map of segment ids.

    Args:
        ids: (H, W) integers, any device.
        segments: (id, joint class, score) of each segment; other ids mean none.
    """
    ids = ids.cpu().long()
    known = max((segment for segment, _, _ in segments), default=0)
    # One place more than there are ids stands for all others, negative ones included.
    classes = torch.full((known + 2,), NO_CLASS, dtype=torch.uint8)
    scores = torch.zeros(known + 2)
    instances = torch.zeros(known + 2, dtype=torch.int32)
    for number, (segment, label, score) in enumerate(segments, start=1):
        classes[segment], scores[segment] = label, score
        instances[segment] = number if label < NUM_THINGS else 0
    place = torch.where((ids < 0) | (ids > known), known + 1, ids)
    return Segmentation(classes[place], scores[place], instances[place])
