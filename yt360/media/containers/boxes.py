"""Read the boxes of an ISO base media file (MP4, MOV); all sizes in the file are validated.

Source: ISO/IEC 14496-12, section 4.2 (box header).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Limits for hostile files; real files have a few hundred boxes of interest.
MAX_BOXES = 10_000
MAX_PAYLOAD_BYTES = 16 << 20

# Bytes between the start of a box's payload and its first child box.
_CHILDREN_AFTER = {
    b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"edts": 0, b"udta": 0,
    b"sv3d": 0, b"proj": 0,
    b"stsd": 8,
}  # fmt: skip
_HEADER = struct.Struct(">I4s")
_VIDEO_ENTRY_BYTES = 78
_AUDIO_ENTRY_BYTES = {0: 28, 1: 44, 2: 64}


class Box(NamedTuple):
    """A box: its type, and the offsets of its start, payload and end (exclusive)."""

    type: bytes
    start: int
    payload: int
    end: int

    @property
    def name(self) -> str:
        """The type as text."""
        return self.type.decode("latin-1")


class BoxReader:
    """Reads the boxes of a file; all returned offsets lie inside the file.

    Args:
        file: Seekable binary file, or its content.
        strict: Raise ValueError for a damaged box; by default, iteration stops at it.
        size: Size of the file, if `file` is only the beginning of its content.
    """

    def __init__(
        self, file: BinaryIO | memoryview, *, strict: bool = False, size: int | None = None
    ) -> None:
        self._file, self._strict = file, strict
        if size is None:
            size = len(file) if isinstance(file, memoryview) else file.seek(0, 2)
        self.size = size
        self._budget = MAX_BOXES

    def top(self) -> Iterator[Box]:
        """Yield the top-level boxes of the file."""
        return self._walk(0, self.size)

    def children(self, box: Box, skip: int | None = None) -> Iterator[Box]:
        """Yield the boxes inside a box.

        Args:
            box: The parent.
            skip: Bytes before the first child; by default derived from the box type.
        """
        first = box.payload + (_CHILDREN_AFTER.get(box.type, 0) if skip is None else skip)
        return self._walk(first, box.end)

    def find(self, box: Box | None, *path: bytes) -> Box | None:
        """Return the first descendant along a path of box types, or None.

        Args:
            box: Root of the path; None for the file.
            path: Types of the child, its child, and so on.
        """
        for wanted in path:
            inner = self.children(box) if box else self.top()
            box = next((child for child in inner if child.type == wanted), None)
            if box is None:
                return None
        return box

    def payload(self, box: Box) -> bytes:
        """Return the payload of a box, truncated to `MAX_PAYLOAD_BYTES`."""
        return bytes(self._read(box.payload, min(box.end - box.payload, MAX_PAYLOAD_BYTES)))

    def sample_entry_children(self, entry: Box, *, is_video: bool) -> Iterator[Box]:
        """Yield the boxes inside a sample entry such as ``avc1`` or ``mp4a``."""
        return self.children(entry, self.sample_entry_fields(entry, is_video=is_video))

    def sample_entry_fields(self, entry: Box, *, is_video: bool) -> int:
        """Return the size in bytes of the fields before the first child of a sample entry."""
        if is_video:
            return _VIDEO_ENTRY_BYTES
        # The size depends on QuickTime's version (QuickTime File Format, "Sound Media").
        version = int.from_bytes(self._read(entry.payload + 8, 2), "big")
        return _AUDIO_ENTRY_BYTES.get(version, _AUDIO_ENTRY_BYTES[0])

    def _read(self, start: int, size: int) -> bytes | memoryview:
        if isinstance(self._file, memoryview):
            return self._file[start : start + size]
        self._file.seek(start)
        return self._file.read(size)

    def _walk(self, position: int, end: int) -> Iterator[Box]:
        while position + 8 <= end:
            box = self._box_at(position, end) if self._budget > 0 else None
            if box is None:
                if self._strict:
                    raise ValueError(f"the box at byte {position} exceeds its container or a limit")
                return
            self._budget -= 1
            yield box
            position = box.end

    def _box_at(self, position: int, end: int) -> Box | None:
        """Return the box whose header starts at a position; None if it exceeds its container."""
        header = self._read(position, 16)
        if len(header) < 8:
            return None
        size, kind = _HEADER.unpack_from(header)
        header_bytes = 8
        if size == 1 and len(header) == 16:
            size, header_bytes = struct.unpack(">Q", header[8:])[0], 16
        elif size == 0:
            size = end - position
        if size < header_bytes or position + size > end:
            return None
        return Box(kind, position, position + header_bytes, position + size)
