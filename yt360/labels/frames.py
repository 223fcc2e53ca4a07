"""Frames of stored clips at the rate of the labels, decoded ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.media.containers.opening import open_clip

if TYPE_CHECKING:
    from av import VideoFrame

Job = TypeVar("Job")
Result = TypeVar("Result")


MAX_FRAMES_BYTES = 1 << 33
"""Limit of the frames of a clip in memory."""


def clip_frames(mp4: bytes | memoryview, fps: float, duration_s: float) -> NDArray[np.uint8]:
    """Return a clip's frames at seconds 0, 1 / fps, 2 / fps, ...: those shown at these moments.

    Args:
        mp4: The clip.
        fps: Frames per second wanted.
        duration_s: How long the clip should be.

    Returns:
        (T, H, W, 3) uint8 RGB.

    Raises:
        BadItem: It does not decode to its end, or holds no picture.
    """
    wanted = max(1, round(duration_s * fps))
    pictures: list[np.ndarray] = []
    try:
        with open_clip(mp4) as container:
            stream = container.streams.video[0]
            frame_s = 1 / float(stream.average_rate or fps)
            for frame, until_s in _shown(container.decode(stream), frame_s):
                if wanted * frame.height * frame.width * 3 > MAX_FRAMES_BYTES:
                    raise ValueError(
                        f"{wanted} frames of {frame.width}x{frame.height} are too many"
                    )
                while len(pictures) < wanted and len(pictures) / fps < until_s:
                    pictures.append(frame.to_ndarray(format="rgb24"))
    except BadItem as error:
        raise BadItem("undecodable", error.detail) from None
    if len(pictures) < wanted:
        raise BadItem("undecodable", f"the clip has frames for {len(pictures)} of {wanted} labels")
    if len({picture.shape for picture in pictures}) > 1:
        raise BadItem("undecodable", "the size of the clip's frames changes")
    return np.stack(pictures)


def _shown(frames: Iterable[VideoFrame], frame_s: float) -> Iterator[tuple[VideoFrame, float]]:
    """Yield every frame with the moment at which the next one takes its place."""
    slack_s = frame_s / 10  # times in files are rounded
    last = None
    for frame in frames:
        if last is not None:
            yield last, (frame.time or 0.0) - slack_s
        last = frame
    if last is not None:
        yield last, (last.time or 0.0) + frame_s - slack_s


def ahead(
    jobs: Iterable[Job], work: Callable[[Job], Result], depth: int = 2
) -> Iterator[tuple[Job, Result | BadItem]]:
    """Do the work on jobs in a thread, up to `depth` of them ahead of the consumer.

    Yields:
        (job, result) in order; a `BadItem` that the work raised stands for its result.

    Raises:
        Exception: Whatever else the work raised.
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
        while thread.is_alive():  # a full queue would hold the thread for ever
            try:
                results.get(timeout=0.05)
            except queue.Empty:
                continue
