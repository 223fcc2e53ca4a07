"""Decoding a stretch of a clip into given arrays: planes of the picture, int16 of the sound.

Everything here works from memory on the bytes of shard members. PyAV releases Python's lock while
it decodes, so threads decode in parallel; each thread needs a `ClipDecoder` of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from avsa.flac import read_header
from avsa.mp4 import VideoTrack, read_track
from yt360.errors import BadItem

# Contexts kept open; clips of one dataset share one for each codec.
MAX_CONTEXTS = 4


class ClipDecoder:
    """Decoders that are set up once and used for clip after clip."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[str, bytes], Any] = OrderedDict()

    def frames(
        self,
        mp4: memoryview,
        first: int,
        luma: NDArray[np.uint8],
        chroma: NDArray[np.uint8],
    ) -> None:
        """Decode consecutive frames of a clip's MP4 into arrays.

        Args:
            mp4: The whole file.
            first: Number of the first frame.
            luma: Filled, (T, H, W).
            chroma: Filled, (2, T, H/2, W/2).

        Raises:
            BadItem: ``"bad-mp4"``, ``"too-short"``, ``"frame-size"`` or ``"corrupt-video"``.
        """
        track = read_track(mp4)
        count, height, width = luma.shape
        if first + count > len(track):
            raise BadItem(
                "too-short", f"frames {first} to {first + count} of {len(track)} were asked for"
            )
        if (track.height, track.width) != (height, width):
            raise BadItem(
                "frame-size", f"{track.width}x{track.height} in a dataset of {width}x{height}"
            )
        decoded = self._decode_frames(mp4, track, first, first + count)
        filled = 0
        for filled, frame in enumerate(decoded, start=1):
            if frame.is_corrupt or frame.format.name != "yuv420p":
                raise BadItem("corrupt-video", f"frame {first + filled - 1} is damaged")
            if (frame.height, frame.width) != (height, width):
                raise BadItem(
                    "frame-size", f"frame {first + filled - 1} is {frame.width}x{frame.height}"
                )
            for plane, target in zip(
                frame.planes,
                (luma[filled - 1], chroma[0, filled - 1], chroma[1, filled - 1]),
                strict=True,
            ):
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                target[...] = rows[: target.shape[0], : target.shape[1]]
        if filled < count:
            raise BadItem("corrupt-video", f"frame {first + filled} does not decode")

    def sound(self, flac: memoryview, first: int, samples: NDArray[np.int16]) -> None:
        """Decode consecutive samples of a clip's FLAC into an array.

        Args:
            flac: The whole file.
            first: Number of the first sample.
            samples: Filled, (4, S).

        Raises:
            BadItem: ``"bad-flac"``, ``"too-short"`` or ``"corrupt-sound"``.
        """
        header = read_header(flac)
        channels, count = samples.shape
        last = first + count
        if header.channels != channels:
            raise BadItem("bad-flac", f"{header.channels} channels; ambiX has {channels}")
        if last > header.num_samples:
            raise BadItem(
                "too-short", f"samples {first} to {last} of {header.num_samples} were asked for"
            )
        position, span = header.locate(first, last)
        packet = av.Packet(bytes(flac[span]))
        for frame in self._decode("flac", header.information, [packet]):
            if frame.format.name != "s16":
                raise BadItem("bad-flac", f"samples are {frame.format.name}, not 16-bit")
            block = np.frombuffer(frame.planes[0], np.int16)
            block = block[: frame.samples * channels].reshape(-1, channels)
            skip, stop = max(0, first - position), min(len(block), last - position)
            if stop > skip:
                samples[:, position + skip - first : position + stop - first] = block[skip:stop].T
            position += len(block)
        if position < last:
            raise BadItem("corrupt-sound", f"sample {position} does not decode")

    def _decode_frames(
        self, mp4: memoryview, track: VideoTrack, first: int, last: int
    ) -> Iterator[Any]:
        """Yield the decoded frames [first, last)."""
        key = int(track.keyframes[np.searchsorted(track.keyframes, first, side="right") - 1])
        ends = (track.offsets + track.sizes)[key:last].tolist()
        packets = []
        for number, start, end in zip(
            range(key, last), track.offsets[key:last].tolist(), ends, strict=True
        ):
            packet = av.Packet(bytes(mp4[start:end]))
            packet.pts = packet.dts = number
            packets.append(packet)
        for frame in self._decode("h264", track.configuration, packets):
            if frame.pts is not None and frame.pts >= first:
                yield frame

    def _decode(
        self, codec: Literal["h264", "flac"], extradata: bytes, packets: list[av.Packet]
    ) -> Iterator[Any]:
        """Yield what packets decode to, from a fresh start."""
        try:
            context = self._context(codec, extradata)
            context.flush_buffers()
            for packet in packets:
                yield from context.decode(packet)
            yield from context.decode(None)
        except av.FFmpegError as error:
            # A context that failed is not used again.
            self._contexts.pop((codec, extradata), None)
            reason = "corrupt-video" if codec == "h264" else "corrupt-sound"
            raise BadItem(reason, str(error)) from None

    def _context(self, codec: Literal["h264", "flac"], extradata: bytes) -> Any:
        context = self._contexts.pop((codec, extradata), None)
        if context is None:
            context = av.CodecContext.create(codec, "r")
            context.extradata = extradata
            # Parallel work is across clips; threads inside one would only delay its first frame.
            context.thread_count = 1
            context.options = {"err_detect": "explode"}
            context.open()
        self._contexts[codec, extradata] = context
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
        return context
