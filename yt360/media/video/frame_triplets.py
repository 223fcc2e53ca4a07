"""Sample triplets of scaled frames throughout a video, without decoding all of it.

Quality checks compare frames a fraction of a second apart. A triplet is three frames 0.2 s apart
and starts at a keyframe, if one is near; it contains no other, if keyframes are that rare. The
packets between triplets are not decoded, unless keyframes are rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import av.error
import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.media.containers.opening import open_media, time_origin_s
from yt360.media.containers.tracks import main_video
from yt360.media.video.color import ColorTags
from yt360.media.video.tone_mapping import BT709_LUMA, sdr_frame

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Luma = NDArray[np.float32]

HEIGHT, WIDTH = 288, 576
SMALL_HEIGHT, SMALL_WIDTH = HEIGHT // 3, WIDTH // 3
FRAMES_PER_TRIPLET = 3
FRAME_STEP_S = 0.2
# One core decodes about 200 million pixels per second, and a triplet needs about half a second of
# video. With these values, decoding takes about 1 % of real time.
_PIXELS_PER_S = 2e8
_FRACTION_OF_REAL_TIME = 0.012
_MIN_INTERVAL_S, _MAX_INTERVAL_S = 1.0, 20.0
# Short recordings are sampled more densely.
_MIN_TRIPLETS = 8
# If no keyframe follows within this time after the interval, the packets in between are decoded.
_MAX_KEYFRAME_WAIT_S = 10.0


@dataclass(frozen=True)
class FrameTriplet:
    """Three frames 0.2 s apart, scaled to an aspect ratio of 2:1.

    Attributes:
        time_s: Time of the first frame.
        frames: Luma (3, 288, 576) float32 in [0, 255].
    """

    time_s: float
    frames: Luma

    @cached_property
    def small(self) -> Luma:
        """The frames scaled to (3, 96, 192), by means over squares."""
        count, height, width = self.frames.shape
        rows, columns = height // SMALL_HEIGHT, width // SMALL_WIDTH
        flat = self.frames.reshape(count, SMALL_HEIGHT, rows, width).sum(axis=2)
        squares = flat.reshape(count, SMALL_HEIGHT, SMALL_WIDTH, columns).sum(axis=3)
        return np.asarray(squares / np.float32(rows * columns))


def triplet_interval_s(
    width: int, height: int, frame_rate: float, duration_s: float = 0.0
) -> float:
    """Return the interval between triplets in seconds that limits the cost of decoding.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        frame_rate: Frames per second.
        duration_s: Duration of the video; 0 if unknown.
    """
    cost_s = width * height * frame_rate * FRAME_STEP_S * FRAMES_PER_TRIPLET / _PIXELS_PER_S
    interval_s = min(cost_s / _FRACTION_OF_REAL_TIME, _MAX_INTERVAL_S)
    if duration_s > 0:
        interval_s = min(interval_s, duration_s / _MIN_TRIPLETS)
    return max(interval_s, _MIN_INTERVAL_S)


def read_frame_triplets(
    path: Path, interval_s: float | None = None, *, stream_index: int | None = None
) -> Iterator[FrameTriplet]:
    """Yield frame triplets of a video stream in temporal order.

    Args:
        path: Media file with video.
        interval_s: Minimum time between triplets; by default `triplet_interval_s`.
        stream_index: Index of the stream in the file; by default the main video.

    Raises:
        BadItem: ``"no-video"``, or the reasons of `open_media`.
    """
    with open_media(path) as container:
        stream = main_video(container)
        if stream_index is not None:
            stream = next(s for s in container.streams.video if s.index == stream_index)
        if stream is None:
            raise BadItem("no-video", f"{path.name} has no frame that can be decoded")
        stream.thread_count = 1
        # The deblocking filter has no visible effect at this size. Non-reference frames can be
        # skipped if enough frames remain for intervals of 0.2 s.
        stream.codec_context.skip_frame = "NONREF"
        stream.codec_context.options["skip_loop_filter"] = "all"
        rate = float(stream.average_rate or 30)
        duration_s = (container.duration or 0) / 1_000_000
        least_s = triplet_interval_s(stream.width, stream.height, rate, duration_s)
        reader = _TripletReader(container, stream, interval_s or least_s)
        yield from reader.run()


class _TripletReader:
    """Reads the packets of one stream and decodes those that triplets need.

    Packets are queued until it is known whether they are needed; a keyframe makes earlier packets
    obsolete. The queue continues the decoded packets or starts with a keyframe.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, interval_s: float) -> None:
        self.container, self.stream, self.interval_s = container, stream, interval_s
        self.origin_s = time_origin_s(container)
        assert stream.time_base is not None
        self.tick = stream.time_base.as_integer_ratio()
        self.keyframe_wait_s = min(_MAX_KEYFRAME_WAIT_S, 2 * (interval_s - _MIN_INTERVAL_S))
        self.next_s = 0.0
        # True from the first packet of a triplet until its last frame, which is delayed.
        self.reading = False
        self.waiting: list[Packet] = []
        self.frames: list[tuple[float, Luma]] = []
        self.restarted = False

    def run(self) -> Iterator[FrameTriplet]:
        """Yield all triplets."""
        for packet in self.container.demux(self.stream):
            if packet.pts is None:
                continue
            if packet.is_keyframe and not self.reading:
                self.waiting.clear()
            self.waiting.append(packet)
            over_s = self._time_s(packet.pts) - self.next_s
            starts = self.waiting[0].is_keyframe and packet is self.waiting[0]
            if self.reading or over_s >= (0 if starts else self.keyframe_wait_s):
                yield from self._decode_waiting()
        yield from self._decode(None)

    def _decode_waiting(self) -> Iterator[FrameTriplet]:
        if self.waiting[0].is_keyframe and not self.reading:
            self.stream.codec_context.flush_buffers()
        self.reading = True
        for packet in self.waiting:
            yield from self._decode(packet)
        self.waiting.clear()

    def _decode(self, packet: Packet | None) -> Iterator[FrameTriplet]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            return
        for frame in frames:
            yield from self._take(frame)

    def _take(self, frame: VideoFrame) -> Iterator[FrameTriplet]:
        if frame.pts is None:
            return
        time_s = self._time_s(frame.pts)
        if frame.key_frame and self.frames and not self.restarted:
            # Quality jumps at a key frame. Start again, once: all frames may be key frames.
            self.frames, self.restarted = [], True
        first_s = self.frames[0][0] if self.frames else self.next_s
        if time_s < first_s + len(self.frames) * FRAME_STEP_S - 0.01:
            return
        self.frames.append((time_s, scaled_luma(frame)))
        if len(self.frames) == FRAMES_PER_TRIPLET:
            yield FrameTriplet(self.frames[0][0], np.stack([p for _, p in self.frames]))
            self.next_s = self.frames[0][0] + self.interval_s
            self.frames, self.reading, self.restarted = [], False, False

    def _time_s(self, pts: int) -> float:
        return pts * self.tick[0] / self.tick[1] - self.origin_s


def scaled_luma(frame: VideoFrame) -> Luma:
    """Return the SDR luma of a frame, scaled to (288, 576), float32 in [0, 255]."""
    if ColorTags.of(frame).needs_mapping:
        return (255 * (sdr_frame(frame, WIDTH, HEIGHT) @ BT709_LUMA)).astype(np.float32)
    small = frame.reformat(WIDTH, HEIGHT, "gray", interpolation="AREA")
    return small.to_ndarray().astype(np.float32)
