"""Read frames of any video by time, such as the clip windows of a data set of actions.

Only the frames that are asked for are converted to RGB. Decoding begins at the keyframe before the
first of them, or at the start of files without presentation times (AVI), in which frames after a
seek have other times than when the file is read from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.media.containers.opening import MAX_DURATION_S, SEEKABLE, open_media
from yt360.media.containers.tracks import main_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_GAP_S = 0.25
"""Largest distance of a time from the nearest frame; a larger one means that frames are missing."""
# PyAV 17 and later start a thread for each core to convert a frame, which takes longer than one.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


class VideoReader:
    """An open video (`open_video`).

    Args:
        name: Name of the file, for errors.
        container: The open file.
        stream: Its video stream.

    Attributes:
        duration_s: Declared duration.

    Raises:
        BadItem: ``"no-duration"``: The file declares no plausible duration.
    """

    def __init__(self, name: str, container: InputContainer, stream: VideoStream) -> None:
        self.name, self._container, self._stream = name, container, stream
        stream.thread_count = 1  # callers read several files at a time
        self._time_base = float(stream.time_base or 0)
        self._can_seek = container.format.name.startswith(SEEKABLE)
        # The time stamp of time 0; None: that of the first frame.
        self._origin = (stream.start_time or 0) if self._can_seek else None
        self.duration_s = (stream.duration or 0) * self._time_base
        if not self.duration_s and container.duration:
            self.duration_s = container.duration / av.time_base
        if not 0 < self.duration_s <= MAX_DURATION_S:
            raise BadItem("no-duration", f"{name} declares a duration of {self.duration_s:g} s")

    def frames_at(
        self, times_s: NDArray[np.float64], short_side: int | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """Return the frames that are nearest to the given times.

        Packets that FFmpeg cannot decode are passed over, as FFmpeg's own programs do.

        Args:
            times_s: (...) times from the start of the video, in any order.
            short_side: Width or height to which frames are scaled, whichever is less; None: their
                own.

        Returns:
            uint8 (F, H, W, 3), the different frames in order of time, RGB; and (...) the row of the
            frame of each time.

        Raises:
            BadItem: ``"truncated"``: There is no frame within `MAX_GAP_S` of a time.
                ``"not-decodable"``.
        """
        wanted, inverse = np.unique(times_s, return_inverse=True)
        rows = np.zeros(len(wanted), np.intp)
        frames = np.empty((0, 0, 0, 3), np.uint8)
        convert, count, done = VideoReformatter(), 0, 0
        for time_s, until_s, frame in self._displayed(float(wanted[0])):
            stop = int(np.searchsorted(wanted, until_s))
            if stop <= done:
                continue
            if np.abs(wanted[done:stop] - time_s).max() > MAX_GAP_S:
                break
            if not count:  # memory is taken as it is filled
                scale = short_side / min(frame.height, frame.width) if short_side else 1.0
                size = round(frame.height * scale), round(frame.width * scale)
                frames = np.empty((len(wanted), *size, 3), np.uint8)
            height, width = frames.shape[1:3]
            frames[count] = convert.reformat(
                frame, width, height, "rgb24", **_ONE_THREAD
            ).to_ndarray()
            rows[done:stop] = count
            done, count = stop, count + 1
            if done == len(wanted):
                return frames[:count], rows[inverse].reshape(np.shape(times_s))
        raise BadItem("truncated", f"{self.name} has no frame near {wanted[done]:.2f} s")

    def _displayed(self, from_s: float) -> Iterator[tuple[float, float, VideoFrame]]:
        """Yield frames, their times, and until when they are nearer than the next one."""
        previous: tuple[float, VideoFrame] | None = None
        for frame in self._decoded(from_s):
            if (stamp := frame.dts if frame.pts is None else frame.pts) is None:
                continue
            self._origin = stamp if self._origin is None else self._origin
            time_s = (stamp - self._origin) * self._time_base
            if previous is not None:
                yield previous[0], (previous[0] + time_s) / 2, previous[1]
            previous = time_s, frame
        if previous is not None:
            yield previous[0], np.inf, previous[1]

    def _decoded(self, from_s: float) -> Iterator[VideoFrame]:
        """Yield frames from the keyframe at or before a time, or from the start."""
        stamp = (self._origin or 0) + round(from_s / self._time_base) if self._can_seek else 0
        self._container.seek(stamp, stream=self._stream)
        for packet in self._container.demux(self._stream):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                continue


@contextmanager
def open_video(path: Path) -> Iterator[VideoReader]:
    """Open a video file.

    Raises:
        BadItem: The reasons of `yt360.media.containers.opening.open_media` (also for errors inside
            the block), ``"no-video"``, or the reasons of `VideoReader`.
    """
    with open_media(path) as container:
        stream = main_video(container)
        if stream is None:
            raise BadItem("no-video", f"{path.name} has no video stream that FFmpeg can decode")
        yield VideoReader(path.name, container, stream)
