"""Walking the boxes of an ISO base media file (MP4, MOV) without trusting any of its sizes.

Source: ISO/IEC 14496-12, section 4.2 (box header).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# Real files have a few hundred boxes that matter here; a hostile one could have millions.
MAX_BOXES = 10_000
MAX_PAYLOAD_BYTES = 16 << 20

# Bytes between the start of a box's payload and its first child box.
_CHILDREN_AFTER = {
    b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"edts": 0, b"udta": 0,
    b"sv3d": 0, b"proj": 0,
    b"stsd": 8,
}  # fmt: skip
_VIDEO_ENTRY_BYTES = 78
_AUDIO_ENTRY_BYTES = {0: 28, 1: 44, 2: 64}


@dataclass(frozen=True)
class Box:
    """A box: its type and where its payload lies in the file (half open)."""

    type: bytes
    start: int
    payload: int
    end: int


class BoxReader:
    """Reads boxes of one file; every offset it gives lies inside the file.

    Args:
        file: A seekable binary file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, 2)
        self._budget = MAX_BOXES

    def top(self) -> Iterator[Box]:
        """Yield the boxes of the file itself."""
        return self._walk(0, self.size)

    def children(self, box: Box, skip: int | None = None) -> Iterator[Box]:
        """Yield the boxes inside a box.

        Args:
            box: The parent.
            skip: Bytes of its own fields before the first child; by default known from the type.
        """
        first = box.payload + (_CHILDREN_AFTER.get(box.type, 0) if skip is None else skip)
        return self._walk(first, box.end)

    def find(self, box: Box, *path: bytes) -> Box | None:
        """Return the first descendant along a path of types, or None."""
        for wanted in path:
            box_or_none = next(
                (child for child in self.children(box) if child.type == wanted), None
            )
            if box_or_none is None:
                return None
            box = box_or_none
        return box

    def payload(self, box: Box) -> bytes:
        """Return a box's payload, cut at `MAX_PAYLOAD_BYTES`."""
        self.file.seek(box.payload)
        return self.file.read(min(box.end - box.payload, MAX_PAYLOAD_BYTES))

    def sample_entry_children(self, entry: Box, *, is_video: bool) -> Iterator[Box]:
        """Yield the boxes inside a sample entry such as ``avc1`` or ``mp4a``."""
        return self.children(entry, self.sample_entry_fields(entry, is_video=is_video))

    def sample_entry_fields(self, entry: Box, *, is_video: bool) -> int:
        """Return how many bytes of its own fields a sample entry has before its first child."""
        if is_video:
            return _VIDEO_ENTRY_BYTES
        # QuickTime's sound entries grow with their version (QuickTime File Format, sound media).
        self.file.seek(entry.payload + 8)
        version = int.from_bytes(self.file.read(2), "big")
        return _AUDIO_ENTRY_BYTES.get(version, _AUDIO_ENTRY_BYTES[0])

    def _walk(self, position: int, end: int) -> Iterator[Box]:
        while position + 8 <= end and self._budget > 0:
            self._budget -= 1
            self.file.seek(position)
            header = self.file.read(16)
            if len(header) < 8:
                return
            size, kind = struct.unpack(">I4s", header[:8])
            header_bytes = 8
            if size == 1 and len(header) == 16:
                size, header_bytes = struct.unpack(">Q", header[8:])[0], 16
            elif size == 0:
                size = end - position
            if size < header_bytes or position + size > end:
                return
            yield Box(kind, position, position + header_bytes, position + size)
            position += size
