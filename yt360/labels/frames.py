"""Frames of stored clips at the rate of the labels, decoded ahead of their use."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from yt360.clip_codec.decoder import decode_video
from yt360.clip_codec.mp4_index import read_track
from yt360.errors import BadItem

Job = TypeVar("Job")
Result = TypeVar("Result")


MAX_FRAMES_BYTES = 1 << 33
"""Limit of the frames of a clip in memory."""
# Tolerance for rounded frame rates, as a fraction of a frame.
_TOLERANCE_FRAMES = 0.1


def clip_frames(mp4: bytes | memoryview, fps: float, duration_s: float) -> NDArray[np.uint8]:
    """Return the frames of a clip that are shown at seconds 0, 1 / fps, 2 / fps, ...

    Args:
        mp4: The clip.
        fps: Frames per second to return.
        duration_s: Expected duration of the clip.

    Returns:
        (T, H, W, 3) uint8 RGB.

    Raises:
        BadItem: ``"undecodable"``: the clip does not decode, or is shorter than expected.
    """
    try:
        return _clip_frames(mp4, fps, max(1, round(duration_s * fps)))
    except BadItem as error:
        raise BadItem("undecodable", error.detail) from None


def _clip_frames(mp4: bytes | memoryview, fps: float, wanted: int) -> NDArray[np.uint8]:
    track = read_track(memoryview(mp4))
    if not track.fps:
        raise BadItem("bad-mp4", "the clip has no frame rate")
    available = math.ceil((len(track) - _TOLERANCE_FRAMES) * fps / track.fps)
    if available < wanted:
        raise BadItem("too-short", f"the clip has frames for {available} of {wanted} labels")
    size = wanted, track.height, track.width, 3
    if math.prod(size) > MAX_FRAMES_BYTES:
        raise BadItem("too-large", f"{wanted} frames of {size[2]}x{size[1]} are too many")
    frames = np.empty(size, np.uint8)
    numbers = np.floor(np.arange(wanted) * track.fps / fps + _TOLERANCE_FRAMES)
    done = 0
    for number, frame in enumerate(decode_video(mp4)):
        while done < wanted and numbers[done] == number:
            frames[done] = frame.to_ndarray(format="rgb24")
            done += 1
    return frames


def ahead(
    jobs: Iterable[Job], work: Callable[[Job], Result], depth: int = 2
) -> Generator[tuple[Job, Result | BadItem], None, None]:
    """Run `work` on jobs in a thread, up to `depth` jobs ahead of the consumer.

    Yields:
        (job, result) in order; if `work` raises a `BadItem`, it is the result.

    Raises:
        Exception: Any other exception of `work`.
    """
    results: queue.Queue[tuple[Job, Result | BadItem] | BaseException | None]
    results = queue.Queue(depth)
    stop = threading.Event()

    def produce() -> None:
        try:
            for job in jobs:
                if stop.is_set():
                    return
                try:
                    results.put((job, work(job)))
                except BadItem as error:
                    results.put((job, error))
            results.put(None)
        except BaseException as error:
            results.put(error)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while (item := results.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        while thread.is_alive():  # a full queue would block the thread
            try:
                results.get(timeout=0.05)
            except queue.Empty:
                continue
