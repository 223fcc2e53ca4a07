"""Label clips in stages that overlap: decode, cut views, run the network, merge and fuse.

Each stage works in a thread of its own, on a bounded number of frames ahead of the next one; the
network runs in the thread of the caller. The labels are those of one stage after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from yt360.errors import BadItem
from yt360.labels.format.maps import encode_labels
from yt360.labels.frames import ahead
from yt360.labels.segmenters.base import Finish
from yt360.labels.sphere.panorama import PanoramaLabeller

CLIPS_AHEAD = 2
PARTS_AHEAD = 1
PARTS_BEHIND = 2
"""Parts of clips whose maps may be unfinished while the network runs."""


@dataclass(frozen=True)
class LabelledPart:
    """Some maps of a clip that are done.

    Attributes:
        clip: Number of the clip.
        key: Its key.
        num_maps: Number of maps that have been made since the part before.
        result: The labels of the clip (``.npz``) with its last part, or why it has none; else None.
    """

    clip: int
    key: str
    num_maps: int
    result: bytes | BadItem | None


@dataclass(frozen=True)
class _Part:
    """Frames of a clip that are segmented together; `problem` if the clip was not decoded."""

    clip: int
    frames: Tensor
    times_s: list[float]
    is_last: bool
    problem: BadItem | None = None


def label_clips(
    keys: Mapping[int, str],
    decode: Callable[[int], Tensor],
    fps: float,
    labeller: PanoramaLabeller,
) -> Generator[LabelledPart, None, None]:
    """Label clips, one after the other.

    Args:
        keys: Number -> key of the clips, in the order in which they are labelled.
        decode: Returns the frames (T, H, W, 3) uint8 of a clip; it is called in another thread. A
            `BadItem` that it raises is the result of the clip.
        fps: Frames per second.
        labeller: Makes the maps.

    Yields:
        The parts of the clips with labels in order; a clip that was not decoded may come before
        parts of earlier ones. Close the generator to end its threads.

    Raises:
        UserError: A single image does not fit the device's memory.
        Exception: Any other exception of a stage.
    """
    unfinished: deque[tuple[_Part, Future[bytes | None]]] = deque()
    maps: list[Tensor] = []  # of the clip that is being finished
    finisher = ThreadPoolExecutor(1, "merge-labels")

    def finish(part: _Part, complete: Finish) -> bytes | None:
        maps.extend(found.classes for found in complete())
        if not part.is_last:
            return None
        joint = torch.stack(maps).numpy()
        maps.clear()
        return encode_labels(joint)

    def oldest() -> LabelledPart:
        part, future = unfinished.popleft()
        return LabelledPart(part.clip, keys[part.clip], len(part.frames), future.result())

    def cut(part: _Part) -> Tensor | None:
        return None if part.problem else labeller.cut(part.frames)

    try:
        with (
            closing(_parts(keys, decode, fps, labeller)) as parts,
            closing(ahead(parts, cut, PARTS_AHEAD)) as cut_parts,
        ):
            for part, images in cut_parts:
                if part.problem is not None:
                    yield LabelledPart(part.clip, keys[part.clip], 0, part.problem)
                    continue
                complete = _run(labeller, keys[part.clip], part, images)
                unfinished.append((part, finisher.submit(finish, part, complete)))
                if len(unfinished) > PARTS_BEHIND:
                    yield oldest()
            while unfinished:
                yield oldest()
    finally:
        finisher.shutdown(cancel_futures=True)


def _parts(
    keys: Mapping[int, str],
    decode: Callable[[int], Tensor],
    fps: float,
    labeller: PanoramaLabeller,
) -> Generator[_Part, None, None]:
    """Yield the parts of clips that are decoded ahead."""
    with closing(ahead(keys, decode, CLIPS_AHEAD)) as decoded:
        for clip, frames in decoded:
            if isinstance(frames, BadItem):
                yield _Part(clip, torch.empty(0), [], True, frames)
                continue
            first = 0
            while first < len(frames):
                part = frames[first : first + labeller.frames_at_once]
                times_s = [(first + number) / fps for number in range(len(part))]
                first += len(part)
                yield _Part(clip, part, times_s, first == len(frames))


def _run(
    labeller: PanoramaLabeller, key: str, part: _Part, images: Tensor | BadItem | None
) -> Finish:
    """Run the network on the images of a part; None if they do not fit into memory together."""
    if isinstance(images, BadItem):
        raise images
    origins = [key] * len(part.frames)
    if images is None:
        found = labeller.segment(part.frames, origins, part.times_s, instances=False)
        return lambda: found
    return labeller.start(images, origins, part.times_s, instances=False)
