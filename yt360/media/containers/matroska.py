"""Read codec, projection and stereo mode of the tracks of a Matroska or WebM file.

All sizes in the file are validated. Sources: RFC 8794 (EBML), RFC 9559 (Matroska, elements
Projection and StereoMode).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from yt360.media.containers.spherical import (
    Projection,
    ProjectionKind,
    StereoMode,
    TrackTags,
    parse_v1,
    projection_box,
)

_SEGMENT = 0x18538067
_TRACKS, _TRACK_ENTRY, _TRACK_TYPE, _VIDEO, _CODEC = 0x1654AE6B, 0xAE, 0x83, 0xE0, 0x86
_STEREO_MODE, _PROJECTION = 0x53B8, 0x7670
_PROJECTION_TYPE, _PROJECTION_PRIVATE = 0x7671, 0x7672
_POSE = {0x7673: "yaw_deg", 0x7674: "pitch_deg", 0x7675: "roll_deg"}
_CLUSTER = 0x1F43B675
_HANDLERS = {1: "video", 2: "audio"}
_MAX_ELEMENTS = 10_000
_MAX_VALUE_BYTES = 1 << 20
_MAX_NUMBER_BYTES = 8
_MAX_CODEC_BYTES = 64

_STEREO_MODES: dict[int, StereoMode] = {
    0: "mono", 1: "left-right", 2: "bottom-top", 3: "top-bottom", 11: "right-left",
}  # fmt: skip
_KINDS: dict[int, ProjectionKind] = {1: "equirectangular", 2: "cubemap", 3: "mesh"}
_PRIVATE_BOXES = {1: b"equi", 2: b"cbmp", 3: b"mshp"}


def read_matroska_tags(file: BinaryIO) -> list[TrackTags]:
    """Return the tags of each track in file order; ignore damaged elements."""
    reader = _Reader(file)
    found: list[TrackTags] = []
    for segment in reader.elements(0, reader.size):
        if segment[0] != _SEGMENT:
            continue
        for kind, start, end in reader.elements(segment[1], segment[2]):
            if kind == _CLUSTER:
                break
            if kind == _TRACKS:
                tracks = [part for part in reader.elements(start, end) if part[0] == _TRACK_ENTRY]
                found += [_track_tags(reader, *part[1:]) for part in tracks]
        break
    return found


def projection_from_tags(tags: dict[str, str]) -> Projection | None:
    """Return the projection of V1 metadata in the WebM tag SPHERICAL-VIDEO, if present."""
    return parse_v1(tags.get("SPHERICAL-VIDEO", ""))


class _Reader:
    """Reads EBML elements; all returned offsets lie inside the file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, 2)
        self._budget = _MAX_ELEMENTS

    def elements(self, position: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (id, start, end) of the elements in a range."""
        while position < end and self._budget > 0:
            self._budget -= 1
            identifier, id_bytes = self._number(position, keep_marker=True)
            length, length_bytes = self._number(position + id_bytes, keep_marker=False)
            if id_bytes == 0 or length_bytes == 0:
                return
            start = position + id_bytes + length_bytes
            unknown = length == (1 << 7 * length_bytes) - 1
            stop = end if unknown else start + length
            if stop > end:
                # In a truncated file, the available part of the last element is readable.
                stop = end
            yield identifier, start, stop
            position = stop

    def value(self, start: int, end: int) -> bytes:
        self.file.seek(start)
        return self.file.read(min(end - start, _MAX_VALUE_BYTES))

    def unsigned(self, start: int, end: int) -> int:
        """Return an unsigned integer; only the first bytes of one longer than EBML allows."""
        return int.from_bytes(self.value(start, min(end, start + _MAX_NUMBER_BYTES)), "big")

    def _number(self, position: int, *, keep_marker: bool) -> tuple[int, int]:
        self.file.seek(position)
        data = self.file.read(8)
        if not data or data[0] == 0:
            return 0, 0
        count = 9 - data[0].bit_length()
        if len(data) < count:
            return 0, 0
        number = int.from_bytes(data[:count], "big")
        return (number if keep_marker else number - (1 << 7 * count)), count


def _track_tags(reader: _Reader, start: int, end: int) -> TrackTags:
    handler, codec, projection = "", "", Projection()
    for kind, first, last in reader.elements(start, end):
        if kind == _TRACK_TYPE:
            number = reader.unsigned(first, last)
            handler = _HANDLERS.get(number, f"type {number}")
        elif kind == _CODEC:
            codec = (
                reader.value(first, min(last, first + _MAX_CODEC_BYTES))
                .rstrip(b"\0")
                .decode("latin-1")
            )
        elif kind == _VIDEO:
            projection = _video_projection(reader, first, last)
    return TrackTags(handler, codec, projection if handler == "video" else None)


def _video_projection(reader: _Reader, start: int, end: int) -> Projection:
    projection = Projection()
    for kind, first, last in reader.elements(start, end):
        if kind == _STEREO_MODE:
            number = reader.unsigned(first, last)
            mode = _STEREO_MODES.get(number, "custom")
            projection = projection.with_evidence(f"StereoMode {number}: {mode}", stereo_mode=mode)
        elif kind == _PROJECTION:
            projection = _with_projection(projection, reader, first, last)
    return projection


def _with_projection(projection: Projection, reader: _Reader, start: int, end: int) -> Projection:
    kind, private, pose = 0, b"", dict[str, object]()
    for inner, first, last in reader.elements(start, end):
        value = reader.value(first, last)
        if inner == _PROJECTION_TYPE:
            kind = reader.unsigned(first, last)
        elif inner == _PROJECTION_PRIVATE:
            private = value
        elif inner in _POSE and len(value) in (4, 8):
            degrees = struct.unpack(">f" if len(value) == 4 else ">d", value)[0]
            pose[_POSE[inner]] = degrees if abs(degrees) <= 360 else 0.0
    if kind == 0:
        return projection  # rectangular: ordinary video, possibly with a rotation
    values = {"kind": _KINDS.get(kind, "unknown"), **pose}
    values |= projection_box(_PRIVATE_BOXES.get(kind, b""), private)
    return projection.with_evidence(f"Projection element: {values['kind']}", **values)
