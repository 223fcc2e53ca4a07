"""Sample a few frames of a video to recognize its projection from the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import av.error
import numpy as np
from numpy.typing import NDArray

from yt360.media.info import VideoStream
from yt360.media.video.frame_triplets import scaled_luma
from yt360.media.video.pixel_layout import (
    HEIGHT,
    WIDTH,
    LayoutThresholds,
    PixelLayout,
    measure_layout,
    recognize,
    reduced,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream as OpenStream

FRAMES = 5
# A decoder that yields no frame within so many packets after a keyframe is given up.
_MAX_PACKETS = 64


class FrameSample:
    """Up to `limit` reduced frames, evenly spaced over all that are added.

    Args:
        limit: Maximum number of frames.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._step, self._count = limit, 1, 0
        self._kept: list[NDArray[np.uint8]] = []

    def add(self, frame: NDArray[np.floating]) -> None:
        """Add a frame of luma (H, W); see `reduced`."""
        if self._count % self._step == 0:
            if len(self._kept) == self._limit:
                self._kept, self._step = self._kept[::2], 2 * self._step
            if self._count % self._step == 0:
                self._kept.append(reduced(frame[None])[0])
        self._count += 1

    @property
    def frames(self) -> NDArray[np.uint8]:
        """The frames (N, 144, 288)."""
        return np.array(self._kept, np.uint8).reshape(-1, HEIGHT, WIDTH)


def can_look_at(stream: VideoStream) -> bool:
    """Return whether frames are upright and at least as large as reduced ones.

    Neighbours in enlarged frames are alike, so that any seam seems to be a break.
    """
    return not stream.rotation_deg and stream.width >= WIDTH and stream.height >= HEIGHT


def look_at_pixels(container: InputContainer, stream: VideoStream) -> PixelLayout | None:
    """Recognize the projection of a video from the keyframes nearest to a few regular times.

    Args:
        container: The media file.
        stream: Its video stream.

    Returns:
        The layout; None if no frame can be decoded, or frames cannot be looked at (`can_look_at`).
    """
    if not can_look_at(stream):
        return None
    sample = FrameSample(FRAMES)
    for frame in keyframes(container, stream):
        sample.add(scaled_luma(frame))
    if not len(sample.frames):
        return None
    return recognize(measure_layout(sample.frames), LayoutThresholds())


def keyframes(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the keyframes of a video at or before `FRAMES` regular times, each once."""
    opened = next(s for s in container.streams.video if s.index == stream.index)
    if not opened.codec_context.is_open:
        opened.thread_count = 1
    seen = set()
    for number in range(FRAMES):
        time_s = stream.start_s + stream.duration_measured_s * (number + 0.5) / FRAMES
        try:
            container.seek(round(time_s / (opened.time_base or 1)), stream=opened)
            frame = first_frame(container, opened)
        except (av.error.FFmpegError, MemoryError):
            continue
        if frame is not None and frame.pts not in seen:
            seen.add(frame.pts)
            yield frame


def first_frame(container: InputContainer, opened: OpenStream) -> VideoFrame | None:
    """Return the frame at the current position, a keyframe; None if it cannot be decoded."""
    for number, packet in enumerate(container.demux(opened)):
        for frame in packet.decode():
            return frame
        if packet.is_keyframe and not number:
            # A decoder that reorders frames gives this one after it has decoded a few more. Its end
            # gives it at once.
            for frame in opened.codec_context.decode(None):
                return frame
            opened.codec_context.flush_buffers()
        if number == _MAX_PACKETS:
            break
    return None
