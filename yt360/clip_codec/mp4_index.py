"""The sample table of a clip's MP4: where each coded frame lies, without a demuxer.

A general demuxer opens, probes and seeks through callbacks, which costs a third as much as decoding
half a second. Clips are simpler: one H.264 track without reordered frames, whose table is a few
arrays. Source: ISO/IEC 14496-12 (sections 8.5 to 8.7) and 14496-15 (section 5.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem

# Boxes that lead to the table, from the outermost one inwards.
_TABLE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
# Clips have about 30; a hostile file could have millions.
_MAX_BOXES = 10_000
# Bytes of a visual sample entry before its own boxes.
_VISUAL_ENTRY = 78


@dataclass(frozen=True)
class VideoTrack:
    """The coded frames of a clip, in order of decoding, which is the order of display.

    Attributes:
        offsets: Byte offset of each frame in the file.
        sizes: Length of each frame in bytes.
        keyframes: Numbers of the frames at which decoding can start, ascending.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        configuration: Decoder configuration (``avcC``).
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    keyframes: NDArray[np.int64]
    width: int
    height: int
    configuration: bytes

    def __len__(self) -> int:
        return len(self.sizes)


def read_track(file: memoryview) -> VideoTrack:
    """Return the track of a clip.

    Args:
        file: The whole MP4 file.

    Raises:
        BadItem: ``"bad-mp4"`` for a file that is damaged or not made like a clip.
    """
    try:
        return _read_track(file)
    except KeyError as error:
        raise BadItem("bad-mp4", f"it has no box {_name(error.args[0])}") from None
    except (struct.error, ValueError, IndexError) as error:
        raise BadItem("bad-mp4", f"no sample table can be read: {error}") from None


def _read_track(file: memoryview) -> VideoTrack:
    table = dict(islice(_boxes(file, 0, len(file), _TABLE), _MAX_BOXES))
    if b"ctts" in table:
        raise BadItem("bad-mp4", "frames are reordered (B-frames); build the shard again")
    width, height, configuration = _sample_entry(file, table[b"stsd"])
    sizes = _sizes(file, table[b"stsz"])
    offsets = _offsets(file, table, sizes)
    if len(offsets) != len(sizes) or (offsets > len(file) - sizes).any() or (offsets < 0).any():
        raise BadItem("bad-mp4", "the sample table points outside the file")
    keyframes = _numbers(file, table[b"stss"], 4, ">u4") - 1 if b"stss" in table else _all(sizes)
    if not len(keyframes) or keyframes[0] != 0:
        raise BadItem("bad-mp4", "the first frame is no keyframe")
    if (np.diff(keyframes) <= 0).any():
        raise BadItem("bad-mp4", "the keyframes are out of order")
    return VideoTrack(offsets, sizes, keyframes, width, height, configuration)


def _name(kind: bytes) -> str:
    return kind.decode("latin-1")


def _boxes(
    file: memoryview, start: int, end: int, path: tuple[bytes, ...] = ()
) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the type and payload range of each box, then what is in those on a path of types."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", file, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", file, start + 8)
            header = 16
        stop = end if size == 0 else start + size
        if not start + header <= stop <= end:
            raise ValueError(f"box {_name(kind)} is larger than what holds it")
        yield kind, (start + header, stop)
        if path and kind == path[0]:
            yield from _boxes(file, start + header, stop, path[1:])
        start = stop


def _sample_entry(file: memoryview, payload: tuple[int, int]) -> tuple[int, int, bytes]:
    """Return width, height and decoder configuration from ``stsd``."""
    start = payload[0] + 8
    size, kind = struct.unpack_from(">I4s", file, start)
    if kind not in (b"avc1", b"avc3"):
        raise BadItem("bad-mp4", f"the video is {_name(kind)}, not H.264")
    width, height = struct.unpack_from(">HH", file, start + 8 + 24)
    inner = dict(islice(_boxes(file, start + 8 + _VISUAL_ENTRY, start + size), _MAX_BOXES))
    first, last = inner[b"avcC"]
    return width, height, bytes(file[first:last])


def _sizes(file: memoryview, payload: tuple[int, int]) -> NDArray[np.int64]:
    common, count = struct.unpack_from(">II", file, payload[0] + 4)
    if common:
        return np.full(min(count, len(file)), common, dtype=np.int64)
    return _numbers(file, payload, 8, ">u4")


def _offsets(
    file: memoryview, table: dict[bytes, tuple[int, int]], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the offset of each frame: that of its chunk and the frames before it in there."""
    if b"stco" in table:
        chunks = _numbers(file, table[b"stco"], 4, ">u4")
    else:
        chunks = _numbers(file, table[b"co64"], 4, ">u8")
    runs = _numbers(file, table[b"stsc"], 4, ">u4", columns=3).reshape(-1, 3)
    chunks_of_run = np.diff(np.append(runs[:, 0], len(chunks) + 1))
    if (chunks_of_run < 0).any() or chunks_of_run.sum() != len(chunks):
        raise ValueError("runs and chunks do not match")
    per_chunk = np.repeat(runs[:, 1], chunks_of_run)
    if per_chunk.sum() != len(sizes):
        raise ValueError("chunks and frames do not match")
    before = np.cumsum(sizes) - sizes
    first_of_chunk = np.cumsum(per_chunk) - per_chunk
    return np.repeat(chunks - before[first_of_chunk], per_chunk) + before


def _numbers(
    file: memoryview, payload: tuple[int, int], skip: int, kind: str, columns: int = 1
) -> NDArray[np.int64]:
    """Return the big-endian numbers of a table whose count of rows stands after `skip` bytes."""
    start, end = payload
    (count,) = struct.unpack_from(">I", file, start + skip)
    first = start + skip + 4
    if first + count * columns * np.dtype(kind).itemsize > end:
        raise ValueError("a table is larger than its box")
    return np.frombuffer(file, kind, count * columns, first).astype(np.int64)


def _all(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return every frame: without a table of keyframes each one is."""
    return np.arange(len(sizes))
