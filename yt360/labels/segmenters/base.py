"""The interface of a segmenter, which predicts class, score and instance of every pixel.

Shapes: B images, H rows, W columns.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from yt360.files import sha256_of
from yt360.labels.classes import NO_CLASS, NUM_THINGS

COCO_AREA = 640 * 480  # pixels of a typical COCO image


@dataclass(frozen=True)
class Segmentation:
    """The segmentation of one image; tensors on the CPU.

    Attributes:
        classes: (H, W) uint8, joint class numbers (`yt360.labels.classes`); 134 for none.
        scores: (H, W) float32 in [0, 1]: confidence in the class; 0 for none.
        instances: (H, W) int32: objects of the image from 1; 0 for stuff and none.
    """

    classes: Tensor
    scores: Tensor
    instances: Tensor


@dataclass(frozen=True)
class ImageOrigin:
    """Where and when an image was taken.

    Networks use pixels only; the ground truth of synthetic scenes is looked up by the origin.

    Attributes:
        key: Clip of the image.
        time_s: Seconds since the start of the clip.
        directions: (H, W, 3) world direction of every pixel; None for ordinary images.
    """

    key: str
    time_s: float
    directions: Tensor | None = None


class NetworkClock:
    """Measures the time that a device spends inside a network, without waiting for it.

    Call `start` and `stop`, or use it as a context manager.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seconds = 0.0
        self._running: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()

    @property
    def seconds(self) -> float:
        """Seconds so far; waits for the device."""
        self._collect(wait=True)
        return self._seconds

    def start(self) -> None:
        """Start measuring."""
        if self.device.type == "cuda":
            self._started_event = self._event()
        else:
            self._started_s = time.perf_counter()

    def stop(self) -> None:
        """Add the time since `start`."""
        if self.device.type == "cuda":
            self._running.append((self._started_event, self._event()))
            self._collect(wait=False)
        else:
            self._seconds += time.perf_counter() - self._started_s

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _collect(self, *, wait: bool) -> None:
        """Add the time of the intervals that have ended."""
        while self._running and (wait or self._running[0][1].query()):
            started, stopped = self._running.popleft()
            stopped.synchronize()
            self._seconds += started.elapsed_time(stopped) / 1000


class Segmenter(Protocol):
    """The interface of a segmenter.

    A segmenter with much work outside its network may also have a method ``start(images, origins)``
    with the arguments and errors of `segment`. It runs the network and returns a function without
    arguments that returns the segmentations; the function is called in another thread, while the
    network works on the next images.

    One that cannot label every dataset also has a method ``check_clips(clips)``. It is called with
    the `ShardReader` of each split before anything is labelled, and raises `UserError`.
    """

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that determines the result, as JSON values; stored with the labels."""
        ...

    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:
        """Segment images of one size.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            origins: One for each image.

        Raises:
            BadItem: The segmenter cannot process images of this size.
            torch.OutOfMemoryError: The batch does not fit into the memory of the device.
        """
        ...


class SegmenterConfig(Protocol):
    """Options of a segmenter: a dataclass registered in `yt360.labels.segmenters.SEGMENTERS`.

    Fields named ``short_side``, ``long_side`` and ``mixed_precision`` are set by the commands.

    Attributes:
        kind: Name of the segmenter.
    """

    kind: str

    def build(self, device: torch.device) -> Segmenter:
        """Return the segmenter on a device.

        Raises:
            UserError: Weights or a library are missing, or do not fit.
        """
        ...


Finish: TypeAlias = Callable[[], list[Segmentation]]
"""Completes segmentations after the network has run; may be called in any thread."""


def from_segments(ids: Tensor, segments: Sequence[tuple[int, int, float]]) -> Segmentation:
    """Convert a map of segment ids to a segmentation.

    Args:
        ids: (H, W) integers, any device.
        segments: (id, joint class, score) of each segment; other ids mean no class.
    """
    ids = ids.cpu().long()
    known = max((segment for segment, _, _ in segments), default=0)
    # One additional index stands for all other ids, including negative ones.
    classes = torch.full((known + 2,), NO_CLASS, dtype=torch.uint8)
    scores = torch.zeros(known + 2)
    instances = torch.zeros(known + 2, dtype=torch.int32)
    for number, (segment, label, score) in enumerate(segments, start=1):
        classes[segment], scores[segment] = label, score
        instances[segment] = number if label < NUM_THINGS else 0
    index = torch.where((ids < 0) | (ids > known), known + 1, ids)
    return Segmentation(classes[index], scores[index], instances[index])


def smallest_stuff(height: int, width: int, coco_pixels: float) -> float:
    """Scale the minimum area of a stuff segment from COCO images to another image size.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        coco_pixels: Minimum area in a typical COCO image, in pixels.

    Returns:
        The minimum area in pixels, the same fraction of this image.
    """
    return coco_pixels * height * width / COCO_AREA


def short_hash(path: Path) -> str:
    """Return the first 16 digits of the SHA-256 of a file, which identify its content in facts."""
    return sha256_of(path)[:16]


@contextmanager
def arithmetic(device: torch.device, *, mixed_precision: bool = False) -> Iterator[None]:
    """Compute in float16 with mixed precision, otherwise in full float32.

    Without it, TF32 (the default of cuDNN) is disabled: it loses three digits in each convolution.
    """
    with (
        torch.autocast(device.type, torch.float16, enabled=mixed_precision),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=mixed_precision),
    ):
        yield
