"""Entering a clip's FLAC file at a seek point, without a demuxer.

The shards' FLAC files carry a seek table with a point about every quarter of a second, so a stretch
is a range of bytes that the decoder gets as it is. Source: RFC 9639, sections 8.2 and 8.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem

_STREAMINFO, _SEEKTABLE = 0, 3
_STREAMINFO_BYTES = 34
_POINT = np.dtype([("sample", ">u8"), ("offset", ">u8"), ("count", ">u2")])
_PLACEHOLDER = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True)
class FlacFile:
    """What a FLAC file says of itself.

    Attributes:
        information: The STREAMINFO block, as the decoder wants it.
        sample_rate_hz: Of the sound.
        channels: How many.
        num_samples: Samples a channel.
        points: First sample of each seek point, ascending, from 0.
        offsets: Byte of the file at which its block starts.
        size: Bytes of the file.
    """

    information: bytes
    sample_rate_hz: int
    channels: int
    num_samples: int
    points: NDArray[np.int64]
    offsets: NDArray[np.int64]
    size: int

    def locate(self, first: int, last: int) -> tuple[int, slice]:
        """Return where to decode for samples [first, last): the first sample there, and bytes."""
        start = int(np.searchsorted(self.points, first, side="right")) - 1
        end = int(np.searchsorted(self.points, last, side="left"))
        stop = int(self.offsets[end]) if end < len(self.offsets) else self.size
        return int(self.points[start]), slice(int(self.offsets[start]), stop)


def read_header(file: memoryview) -> FlacFile:
    """Read the metadata of a FLAC file.

    Raises:
        BadItem: ``"bad-flac"`` for a file that is damaged or something else.
    """
    try:
        return _read_header(file)
    except (struct.error, ValueError, IndexError) as error:
        raise BadItem("bad-flac", f"no FLAC header can be read: {error}") from None


def _read_header(file: memoryview) -> FlacFile:
    if file[:4] != b"fLaC":
        raise ValueError("the file does not begin with 'fLaC'")
    blocks, position, last = {}, 4, False
    while not last:
        (word,) = struct.unpack_from(">I", file, position)
        last, kind, size = bool(word >> 31), word >> 24 & 0x7F, word & 0xFFFFFF
        blocks[kind] = file[position + 4 : position + 4 + size]
        position += 4 + size
    information = bytes(blocks.get(_STREAMINFO, b""))
    if len(information) != _STREAMINFO_BYTES:
        raise ValueError("it has no STREAMINFO")
    (bits,) = struct.unpack_from(">Q", information, 10)
    table = np.frombuffer(blocks.get(_SEEKTABLE, b""), _POINT)
    table = table[table["sample"] != _PLACEHOLDER]
    points, offsets = table["sample"].astype(np.int64), table["offset"].astype(np.int64) + position
    if not len(points) or points[0] != 0:
        points, offsets = np.append(0, points), np.append(position, offsets)
    ordered = (points[:-1] < points[1:]).all() and (offsets[:-1] < offsets[1:]).all()
    if not ordered or offsets[0] < position or offsets[-1] >= len(file):
        raise ValueError("its seek table is out of order or points outside the file")
    return FlacFile(
        information=information,
        sample_rate_hz=bits >> 44,
        channels=(bits >> 41 & 0x7) + 1,
        num_samples=bits & 0xFFFFFFFFF,
        points=points,
        offsets=offsets,
        size=len(file),
    )
