"""A few small frames from all parts of a video, at a fraction of the cost of decoding it.

The checks need pairs of frames a fraction of a second apart: a *probe* is three frames 0.2 s apart.
Compressed video can only be entered at key frames, so probes begin there and the packets in between
are not decoded, unless key frames are rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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

HEIGHT, WIDTH = 96, 192
FRAMES_PER_TRIPLET = 3
FRAME_STEP_S = 0.2
# Key frames and what follows them decode at some 200 million pixels a second on one core; a probe
# decodes about half a second. With these figures, it all costs some 1 % of real time.
_PIXELS_PER_S = 2e8
_PART_OF_REAL_TIME = 0.012
_LEAST_INTERVAL_S, _MOST_INTERVAL_S = 1.0, 20.0
# Short recordings are worth a closer look; the time that it takes stays short too.
_LEAST_PROBES = 8
# Without a key frame for this long past the interval, the packets in between are decoded too.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class FrameTriplet:
    """Three small frames in quick succession.

    Attributes:
        time_s: Time of the first.
        frames: Luma (3, 96, 192) float32 in [0, 255], the whole frame scaled to 2:1.
    """

    time_s: float
    frames: Luma


def triplet_interval_s(
    width: int, height: int, frame_rate: float, duration_s: float = 0.0
) -> float:
    """Return how far apart probes may be so that decoding them stays cheap.

    Args:
        width: In pixels.
        height: In pixels.
        frame_rate: Frames per second.
        duration_s: Of the whole video; 0 when it is not known.
    """
    cost_s = width * height * frame_rate * FRAME_STEP_S * FRAMES_PER_TRIPLET / _PIXELS_PER_S
    interval_s = min(cost_s / _PART_OF_REAL_TIME, _MOST_INTERVAL_S)
    if duration_s > 0:
        interval_s = min(interval_s, duration_s / _LEAST_PROBES)
    return max(interval_s, _LEAST_INTERVAL_S)


def read_frame_triplets(
    path: Path, interval_s: float | None = None, *, stream_index: int | None = None
) -> Iterator[FrameTriplet]:
    """Yield probes of a video stream in order of time.

    Args:
        path: A media file with video.
        interval_s: Least time between probes; by default what `triplet_interval_s` says.
        stream_index: Number of the stream in the file; by default the main video.

    Raises:
        BadItem: ``"no-video"``, or what `open_media` raises.
    """
    with open_media(path) as container:
        stream = main_video(container)
        if stream_index is not None:
            stream = next(s for s in container.streams.video if s.index == stream_index)
        if stream is None:
            raise BadItem("no-video", f"{path.name} has no frame that can be decoded")
        stream.thread_count = 1
        # What the deblocking filter does is invisible at this size, and frames that no other frame
        # needs can be left out as long as some remain every fifth of a second.
        stream.codec_context.skip_frame = "NONREF"
        stream.codec_context.options["skip_loop_filter"] = "all"
        rate = float(stream.average_rate or 30)
        duration_s = (container.duration or 0) / 1_000_000
        least_s = triplet_interval_s(stream.width, stream.height, rate, duration_s)
        prober = _Prober(container, stream, interval_s or least_s)
        yield from prober.run()


class _Prober:
    """Walks through the packets of one stream and decodes what probes need.

    Packets wait until it is clear whether they are needed: a key frame makes all before it
    superfluous. Those that wait always follow what was decoded last, or begin with a key frame.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, interval_s: float) -> None:
        self.container, self.stream, self.interval_s = container, stream, interval_s
        self.origin_s = time_origin_s(container)
        self.patience_s = min(_PATIENCE_S, 2 * (interval_s - _LEAST_INTERVAL_S))
        self.next_s = 0.0
        # From the first packet of a probe until its last frame, which comes with a delay.
        self.reading = False
        self.waiting: list[Packet] = []
        self.frames: list[tuple[float, Luma]] = []

    def run(self) -> Iterator[FrameTriplet]:
        """Yield all probes."""
        for packet in self.container.demux(self.stream):
            if packet.pts is None:
                continue
            if packet.is_keyframe and not self.reading:
                self.waiting.clear()
            self.waiting.append(packet)
            over_s = self._time_s(packet.pts) - self.next_s
            starts = self.waiting[0].is_keyframe and packet is self.waiting[0]
            if self.reading or over_s >= (0 if starts else self.patience_s):
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
        first_s = self.frames[0][0] if self.frames else self.next_s
        if time_s < first_s + len(self.frames) * FRAME_STEP_S - 0.01:
            return
        self.frames.append((time_s, small_luma(frame)))
        if len(self.frames) == FRAMES_PER_TRIPLET:
            yield FrameTriplet(self.frames[0][0], np.stack([p for _, p in self.frames]))
            self.next_s = self.frames[0][0] + self.interval_s
            self.frames, self.reading = [], False

    def _time_s(self, pts: int) -> float:
        assert self.stream.time_base is not None
        return float(pts * self.stream.time_base) - self.origin_s


def small_luma(frame: VideoFrame) -> Luma:
    """Return a frame's luma in SDR, squeezed to (96, 192), float32 in [0, 255]."""
    if ColorTags.of(frame).is_foreign:
        return (255 * (sdr_frame(frame, WIDTH, HEIGHT) @ BT709_LUMA)).astype(np.float32)
    small = frame.reformat(WIDTH, HEIGHT, "gray", interpolation="AREA")
    return small.to_ndarray().astype(np.float32)
