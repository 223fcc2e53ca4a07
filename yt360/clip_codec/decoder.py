"""Decoding a stretch of a clip into given arrays: planes of the picture, int16 of the sound.

First the stretch is found (`find_frames`, `find_sound`): pure Python on the bytes of shard members.
Then a `ClipDecoder` decodes its bytes, in native code, which damaged data may crash:
`avsa.data.decoder_process` does this part in another process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from yt360.clip_codec.flac_index import read_header
from yt360.clip_codec.mp4_index import read_track
from yt360.errors import BadItem

# Contexts kept open; clips of one dataset share one for each codec.
MAX_CONTEXTS = 4
# 16K by 8K: a few hostile bytes can declare frames that fill any memory.
MAX_PIXELS = 1 << 27


@dataclass(frozen=True)
class Stretch:
    """Where consecutive frames or samples lie in the coded bytes that are needed to decode them.

    Attributes:
        first: Number of the first frame or sample that is wanted.
        position: Number of the first one that the bytes hold.
        setup: What sets the decoder up.
        packets: Begin and end of each packet in the bytes.
    """

    first: int
    position: int
    setup: bytes
    packets: list[tuple[int, int]]


def find_frames(
    mp4: memoryview, first: int, count: int, height: int, width: int
) -> tuple[Stretch, memoryview]:
    """Return where consecutive frames of a clip lie, and the coded bytes.

    Args:
        mp4: The whole file.
        first: Number of the first frame.
        count: Number of frames.
        height: Of the frames, as all of the dataset have it.
        width: Likewise.

    Raises:
        BadItem: ``"bad-mp4"``, ``"too-short"`` or ``"frame-size"``.
    """
    track = read_track(mp4)
    last = first + count
    if last > len(track):
        raise BadItem("too-short", f"frames {first} to {last} of {len(track)} were asked for")
    if (track.height, track.width) != (height, width):
        raise BadItem(
            "frame-size", f"{track.width}x{track.height} in a dataset of {width}x{height}"
        )
    key = int(track.keyframes[np.searchsorted(track.keyframes, first, side="right") - 1])
    starts = track.offsets[key:last]
    ends = starts + track.sizes[key:last]
    begin, end = int(starts.min()), int(ends.max())
    packets = list(zip((starts - begin).tolist(), (ends - begin).tolist(), strict=True))
    return Stretch(first, key, track.configuration, packets), mp4[begin:end]


def find_sound(
    flac: memoryview, first: int, count: int, channels: int
) -> tuple[Stretch, memoryview]:
    """Return where consecutive samples of a clip lie, and the coded bytes.

    Args:
        flac: The whole file.
        first: Number of the first sample.
        count: Number of samples.
        channels: Of the sound, as all of the dataset have it.

    Raises:
        BadItem: ``"bad-flac"`` or ``"too-short"``.
    """
    header = read_header(flac)
    last = first + count
    if header.channels != channels:
        raise BadItem("bad-flac", f"{header.channels} channels; ambiX has {channels}")
    if last > header.num_samples:
        raise BadItem(
            "too-short", f"samples {first} to {last} of {header.num_samples} were asked for"
        )
    position, span = header.locate(first, last)
    coded = flac[span]
    return Stretch(first, position, header.information, [(0, len(coded))]), coded


class ClipDecoder:
    """Decoders that are set up once and used for clip after clip."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[str, bytes], Any] = OrderedDict()

    def frames(
        self,
        stretch: Stretch,
        coded: memoryview,
        luma: NDArray[np.uint8],
        chroma: NDArray[np.uint8],
    ) -> None:
        """Decode consecutive frames into arrays.

        Args:
            stretch: From `find_frames`.
            coded: Likewise.
            luma: Filled, (T, H, W).
            chroma: Filled, (2, T, H/2, W/2).

        Raises:
            BadItem: ``"frame-size"`` or ``"corrupt-video"``.
        """
        first, (count, height, width) = stretch.first, luma.shape
        filled = 0
        wanted = (
            frame
            for frame in self._decode("h264", stretch, coded)
            if frame.pts is not None and frame.pts >= first
        )
        for filled, frame in enumerate(wanted, start=1):
            if filled > count:
                raise BadItem("corrupt-video", f"more frames than packets from frame {first} on")
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

    def sound(self, stretch: Stretch, coded: memoryview, samples: NDArray[np.int16]) -> None:
        """Decode consecutive samples into an array.

        Args:
            stretch: From `find_sound`.
            coded: Likewise.
            samples: Filled, (4, S).

        Raises:
            BadItem: ``"bad-flac"`` or ``"corrupt-sound"``.
        """
        channels, count = samples.shape
        first, position = stretch.first, stretch.position
        last = first + count
        for frame in self._decode("flac", stretch, coded):
            if frame.format.name != "s16":
                raise BadItem("bad-flac", f"samples are {frame.format.name}, not 16-bit")
            if frame.layout.nb_channels != channels:
                raise BadItem("bad-flac", f"a block has {frame.layout.nb_channels} channels")
            block = np.frombuffer(frame.planes[0], np.int16)
            block = block[: frame.samples * channels].reshape(-1, channels)
            skip, stop = max(0, first - position), min(len(block), last - position)
            if stop > skip:
                samples[:, position + skip - first : position + stop - first] = block[skip:stop].T
            position += len(block)
        if position < last:
            raise BadItem("corrupt-sound", f"sample {position} does not decode")

    def _decode(
        self, codec: Literal["h264", "flac"], stretch: Stretch, coded: memoryview
    ) -> Iterator[Any]:
        """Yield what a stretch decodes to, from a fresh start."""
        try:
            context = self._context(codec, stretch.setup)
            context.flush_buffers()
            for number, (start, end) in enumerate(stretch.packets, start=stretch.position):
                packet = av.Packet(bytes(coded[start:end]))
                packet.pts = packet.dts = number
                yield from context.decode(packet)
            yield from context.decode(None)
        except av.FFmpegError as error:
            # A context that failed is not used again.
            self._contexts.pop((codec, stretch.setup), None)
            reason = "corrupt-video" if codec == "h264" else "corrupt-sound"
            raise BadItem(reason, str(error)) from None

    def _context(self, codec: Literal["h264", "flac"], extradata: bytes) -> Any:
        context = self._contexts.pop((codec, extradata), None)
        if context is None:
            context = av.CodecContext.create(codec, "r")
            context.extradata = extradata
            # Parallel work is across clips; threads inside one would only delay its first frame.
            context.thread_count = 1
            context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
            context.open()
        self._contexts[codec, extradata] = context
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
        return context
