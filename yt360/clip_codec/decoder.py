"""Decode stored clips, or ranges of them into preallocated arrays.

`locate_frames` and `locate_audio` find the coded bytes of a range in the index of a file. A
`ClipDecoder` decodes these bytes in native code, which damaged data may crash;
`avsa.data.decoder_pool` therefore runs it in another process.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from yt360.clip_codec.flac import FlacIndex, read_flac_index
from yt360.clip_codec.mp4_index import VideoTrack, read_track
from yt360.errors import BadItem
from yt360.execution.limits import MAX_PIXELS, allow_time

# Maximum number of open decoder contexts; the clips of a dataset share one per codec.
MAX_CONTEXTS = 4
_OPTIONS = {
    "h264": {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)},
    # FFmpeg verifies the checksums of blocks only on request.
    "flac": {"err_detect": "crccheck+explode"},
}


class CodedRange(NamedTuple):
    """Coded packets that contain a range of consecutive frames or samples.

    Attributes:
        first: Index of the first frame or sample of the range.
        position: Index of the first coded frame or sample, at which decoding starts.
        configuration: Decoder configuration (``avcC`` or STREAMINFO).
        packets: Begin and end of each packet in the coded bytes.
    """

    first: int
    position: int
    configuration: bytes
    packets: list[tuple[int, int]]


def locate_frames(
    mp4: memoryview, first: int, count: int, height: int, width: int
) -> tuple[CodedRange, memoryview]:
    """Locate a range of frames in a clip; return the range and its coded bytes.

    Args:
        mp4: Content of the file.
        first: Index of the first frame.
        count: Number of frames.
        height: Expected height in pixels.
        width: Expected width in pixels.

    Raises:
        BadItem: ``"bad-mp4"``, ``"too-short"`` or ``"frame-size"``.
    """
    coded_range, span = frame_range(read_track(mp4), first, count, height, width)
    return coded_range, mp4[span]


def frame_range(
    track: VideoTrack, first: int, count: int, height: int, width: int
) -> tuple[CodedRange, slice]:
    """Return a range of frames, and the bytes of the file that contain it.

    Args:
        track: The index of the clip.
        first: Index of the first frame.
        count: Number of frames.
        height: Expected height in pixels.
        width: Expected width in pixels.

    Raises:
        BadItem: ``"too-short"`` or ``"frame-size"``.
    """
    last = first + count
    if last > len(track):
        raise BadItem("too-short", f"frames {first} to {last} of {len(track)} were requested")
    if (track.height, track.width) != (height, width):
        raise BadItem(
            "frame-size", f"{track.width}x{track.height} in a dataset of {width}x{height}"
        )
    key = int(track.keyframes[track.keyframes.searchsorted(first, side="right") - 1])
    starts = track.offsets[key:last].tolist()
    ends = list(map(operator.add, starts, track.sizes[key:last].tolist()))
    begin, end = min(starts), max(ends)
    packets = [(a - begin, b - begin) for a, b in zip(starts, ends, strict=True)]
    return CodedRange(first, key, track.configuration, packets), slice(begin, end)


def locate_audio(
    flac: memoryview, first: int, count: int, channels: int
) -> tuple[CodedRange, memoryview]:
    """Locate a range of samples in a clip; return the range and its coded bytes.

    Args:
        flac: Content of the file.
        first: Index of the first sample.
        count: Number of samples.
        channels: Expected number of channels.

    Raises:
        BadItem: ``"bad-flac"`` or ``"too-short"``.
    """
    coded_range, span = audio_range(read_flac_index(flac), first, count, channels)
    return coded_range, flac[span]


def audio_range(
    index: FlacIndex, first: int, count: int, channels: int
) -> tuple[CodedRange, slice]:
    """Return a range of samples, and the bytes of the file that contain it.

    Args:
        index: The metadata of the file.
        first: Index of the first sample.
        count: Number of samples.
        channels: Expected number of channels.

    Raises:
        BadItem: ``"bad-flac"`` or ``"too-short"``.
    """
    last = first + count
    if index.channels != channels:
        raise BadItem("bad-flac", f"{index.channels} channels; ambiX has {channels}")
    if last > index.num_samples:
        raise BadItem(
            "too-short", f"samples {first} to {last} of {index.num_samples} were requested"
        )
    position, span = index.locate(first, last)
    return CodedRange(first, position, index.information, [(0, span.stop - span.start)]), span


def decode_video(mp4: bytes | memoryview) -> Iterator[av.VideoFrame]:
    """Yield all frames of a clip.

    Raises:
        BadItem: ``"bad-mp4"``, ``"frame-size"`` or ``"corrupt-video"``.
    """
    allow_time("a clip", len(mp4))
    mp4 = memoryview(mp4)
    track = read_track(mp4)
    coded = locate_frames(mp4, 0, len(track), track.height, track.width)
    yield from ClipDecoder().video_frames(*coded, len(track), track.height, track.width)


def decode_audio(flac: bytes | memoryview) -> NDArray[np.int16]:
    """Return all samples (C, S) of a clip.

    Raises:
        BadItem: ``"bad-flac"`` or ``"corrupt-audio"``.
    """
    flac = memoryview(flac)
    index = read_flac_index(flac)
    samples = np.empty((index.channels, index.num_samples), np.int16)
    ClipDecoder().decode_audio(*locate_audio(flac, 0, index.num_samples, index.channels), samples)
    return samples


class ClipDecoder:
    """Decoder contexts that are reused from clip to clip."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[str, bytes], Any] = OrderedDict()

    def decode_frames(
        self,
        coded_range: CodedRange,
        coded: memoryview,
        luma: NDArray[np.uint8],
        chroma: NDArray[np.uint8],
    ) -> None:
        """Decode consecutive frames into arrays.

        Args:
            coded_range: From `locate_frames`.
            coded: The bytes from `locate_frames`.
            luma: Output (T, H, W).
            chroma: Output (2, T, H/2, W/2): Cb and Cr.

        Raises:
            BadItem: ``"frame-size"`` or ``"corrupt-video"``.
        """
        for t, frame in enumerate(self.video_frames(coded_range, coded, *luma.shape)):
            if frame.format.name != "yuv420p":
                raise BadItem("corrupt-video", f"frames are {frame.format.name}, not yuv420p")
            y, cb, cr = frame.planes
            _copy_plane(y, luma[t])
            _copy_plane(cb, chroma[0, t])
            _copy_plane(cr, chroma[1, t])

    def video_frames(
        self, coded_range: CodedRange, coded: memoryview, count: int, height: int, width: int
    ) -> Iterator[Any]:
        """Yield exactly `count` frames of a range; raises the errors of `decode_frames`."""
        number = coded_range.first
        end = number + count
        for frame in self._decode("h264", coded_range, coded):
            if frame.pts is None or frame.pts < coded_range.first:
                continue
            if number == end:
                raise BadItem("corrupt-video", f"more frames than packets from frame {end} on")
            if frame.is_corrupt:
                raise BadItem("corrupt-video", f"frame {number} is damaged")
            if (frame.height, frame.width) != (height, width):
                raise BadItem("frame-size", f"frame {number} is {frame.width}x{frame.height}")
            yield frame
            number += 1
        if number < end:
            raise BadItem("corrupt-video", f"frame {number} cannot be decoded")

    def decode_audio(
        self, coded_range: CodedRange, coded: memoryview, samples: NDArray[np.int16]
    ) -> None:
        """Decode consecutive samples into an array.

        Args:
            coded_range: From `locate_audio`.
            coded: The bytes from `locate_audio`.
            samples: Output (C, S).

        Raises:
            BadItem: ``"bad-flac"`` or ``"corrupt-audio"``.
        """
        channels, count = samples.shape
        start = coded_range.position - coded_range.first  # of the block, in the output
        for frame in list(self._decode("flac", coded_range, coded)):
            if frame.format.name != "s16":
                raise BadItem("bad-flac", f"samples are {frame.format.name}, not 16-bit")
            if frame.layout.nb_channels != channels:
                raise BadItem("bad-flac", f"a block has {frame.layout.nb_channels} channels")
            end = start + frame.samples
            if start < count and end > 0:
                # One block at a time: it is transposed while the cache holds it.
                block = np.ndarray((frame.samples, channels), np.int16, frame.planes[0])
                if start < 0 or end > count:
                    block = block[max(0, -start) : count - start]
                samples[:, max(0, start) : end] = block.T
            start = end
        if start < count:
            number = coded_range.first + start
            raise BadItem("corrupt-audio", f"sample {number} cannot be decoded")

    def _decode(
        self, codec: Literal["h264", "flac"], coded_range: CodedRange, coded: memoryview
    ) -> Iterator[Any]:
        """Yield the decoded frames of a range, independent of earlier ranges."""
        try:
            context = self._context(codec, coded_range.configuration)
            context.flush_buffers()
            for number, (start, end) in enumerate(coded_range.packets, start=coded_range.position):
                packet = av.Packet(coded[start:end])  # type: ignore[arg-type]  # any buffer
                packet.pts = packet.dts = number
                yield from context.decode(packet)
            yield from context.decode(None)
        except (av.FFmpegError, MemoryError) as error:
            # Do not reuse a context after an error.
            self._contexts.pop((codec, coded_range.configuration), None)
            if isinstance(error, MemoryError):
                raise
            reason = "corrupt-video" if codec == "h264" else "corrupt-audio"
            raise BadItem(reason, str(error)) from None

    def _context(self, codec: Literal["h264", "flac"], configuration: bytes) -> Any:
        context = self._contexts.pop((codec, configuration), None)
        if context is None:
            context = av.CodecContext.create(codec, "r")
            context.extradata = configuration
            # Clips are decoded in parallel; threads per clip would only delay its first frame.
            context.thread_count = 1
            context.options = dict(_OPTIONS[codec])
            context.open()
        self._contexts[codec, configuration] = context
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
        return context


def _copy_plane(plane: Any, target: NDArray[np.uint8]) -> None:
    """Copy a plane of a frame, whose lines may be padded, to an array (H, W)."""
    target[...] = np.ndarray(target.shape, np.uint8, plane, strides=(plane.line_size, 1))
