"""The interface of a segmenter: pictures in; class, score and instance of every pixel out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from yt360.files import sha256_of
from yt360.labels.classes import NO_CLASS, NUM_THINGS

COCO_AREA = 640 * 480  # pixels of a usual COCO picture


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


def smallest_stuff(height: int, width: int, coco_pixels: float) -> float:
    """Scale the smallest stuff segment from a COCO picture to another size.

    Args:
        height: Rows of the picture.
        width: Its columns.
        coco_pixels: Smallest segment of a usual COCO picture, in its pixels.

    Returns:
        Pixels of the picture that are the same fraction of it.
    """
    return coco_pixels * height * width / COCO_AREA


def short_hash(path: Path) -> str:
    """Return the first 16 digits of a file's SHA-256, by which stored facts name its content."""
    return sha256_of(path)[:16]


@contextmanager
def arithmetic(device: torch.device, *, mixed_precision: bool = False) -> Iterator[None]:
    """Compute in float16 where asked to, else in full float32.

    TF32, which cuDNN prefers, would cost three digits of every convolution.
    """
    with (
        torch.autocast(device.type, torch.float16, enabled=mixed_precision),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=mixed_precision),
    ):
        yield
