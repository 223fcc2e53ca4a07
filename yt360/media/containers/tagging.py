"""Add metadata of 360° video and spatial audio to an MP4 file, without changing its streams.

Sources: Google's Spherical Video RFC V2 (``st3d``, ``sv3d``) and Spatial Audio RFC (``SA3D``).
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from yt360.errors import BadItem
from yt360.files import atomic_write
from yt360.media.containers.boxes import Box, BoxReader
from yt360.media.containers.spherical import ST3D_MODES, Projection

# Path of box types from a track to its sample table; other boxes are copied unchanged.
_PATH = (b"trak", b"mdia", b"minf", b"stbl")
_METADATA_SOURCE = b"yt360\0"


def tag_spherical(
    path: Path,
    projection: Projection | None = None,
    *,
    ambix_channels: int | None = None,
) -> None:
    """Tag every video track of an MP4 as spherical and its audio as ambiX, in place.

    Args:
        path: MP4 or MOV file, which is replaced atomically.
        projection: Equirectangular (the default) or cubemap, with stereo mode and pose.
        ambix_channels: Channels of the ambisonic audio: 4, 9, 16, ...; None: do not tag audio.

    Raises:
        BadItem: ``"not-mp4"``: the file has no index (moov box); ``"bad-mp4"``: it is damaged.
        ValueError: The projection or the number of channels is not supported.
    """
    projection = projection or Projection("equirectangular")
    video = st3d_box(projection) + sv3d_box(projection)
    audio = b"" if ambix_channels is None else sa3d_box(range(ambix_channels))
    add_to_sample_entries(path, video, audio)


def st3d_box(projection: Projection) -> bytes:
    """Return the box for a stereo mode."""
    return _full_box(b"st3d", bytes([ST3D_MODES.index(projection.stereo_mode)]))


def sv3d_box(projection: Projection) -> bytes:
    """Return the box for a projection: equirectangular (centred, if partial) or cubemap."""
    degrees = (projection.yaw_deg, projection.pitch_deg, projection.roll_deg)
    header = _full_box(b"prhd", struct.pack(">3i", *(round(value * 65536) for value in degrees)))
    if projection.kind == "equirectangular":
        side = round((1 - projection.horizontal_part) / 2 * (2**32 - 1))
        edge = round((1 - projection.vertical_part) / 2 * (2**32 - 1))
        data = _full_box(b"equi", struct.pack(">4I", edge, edge, side, side))
    elif projection.kind == "cubemap":
        data = _full_box(b"cbmp", struct.pack(">II", 0, projection.padding_px))
    else:
        raise ValueError(f"cannot write a {projection.kind} projection; equirectangular or cubemap")
    source = _full_box(b"svhd", _METADATA_SOURCE)
    return _box(b"sv3d", source + _box(b"proj", header + data))


def sa3d_box(channel_map: Sequence[int]) -> bytes:
    """Return the box for ACN/SN3D audio.

    Args:
        channel_map: Ambisonic component of each channel.

    Raises:
        ValueError: The channels are not a complete ambisonic order.
    """
    order = round(len(channel_map) ** 0.5) - 1
    if (order + 1) ** 2 != len(channel_map):
        raise ValueError(
            f"{len(channel_map)} channels are not a complete ambisonic order; use 4, 9, 16, ..."
        )
    content = struct.pack(">BBIBBI", 0, 0, order, 0, 0, len(channel_map))
    return _box(b"SA3D", content + struct.pack(f">{len(channel_map)}I", *channel_map))


def add_to_sample_entries(path: Path, video: bytes, audio: bytes) -> None:
    """Append boxes to the sample entries of the video and audio tracks of an MP4, in place."""
    with path.open("rb") as file:
        reader = BoxReader(file)
        top = list(reader.top())
        movie = next((box for box in top if box.type == b"moov"), None)
        if movie is None:
            raise BadItem("not-mp4", f"{path.name} has no index (moov box)")
        file.seek(movie.start)
        old = file.read(movie.end - movie.start)
        # An index in front of the media data shifts the chunks that it points to.
        moved = any(box.type == b"mdat" and box.start > movie.start for box in top)
        try:
            growth = len(_rebuilt(old, video, audio, 0)) - len(old)
            new = _rebuilt(old, video, audio, growth if moved else 0)
        except (ValueError, struct.error) as error:
            raise BadItem("bad-mp4", f"{path.name}: its index is damaged: {error}") from None
        with atomic_write(path) as target:
            file.seek(0)
            target.write(file.read(movie.start))
            target.write(new)
            file.seek(movie.end)
            shutil.copyfileobj(file, target)


def _rebuilt(movie: bytes, video: bytes, audio: bytes, shift: int) -> bytes:
    reader = BoxReader(memoryview(movie), strict=True)
    (box,) = reader.top()
    tracks = []
    for child in reader.children(box):
        handler = reader.find(child, b"mdia", b"hdlr") if child.type == b"trak" else None
        kind = reader.payload(handler)[8:12] if handler else b""
        addition = {b"vide": video, b"soun": audio}.get(kind, b"")
        tracks.append(_copy(reader, movie, child, addition, shift, _PATH))
    return _box(b"moov", b"".join(tracks))


def _copy(
    reader: BoxReader, data: bytes, box: Box, addition: bytes, shift: int, path: tuple[bytes, ...]
) -> bytes:
    """Copy a box, append boxes to its sample entries, and shift its chunk offsets.

    Args:
        reader: Reader of `data`.
        data: Index of the file.
        box: The box to copy.
        addition: Boxes to append to each sample entry.
        shift: Bytes to add to each chunk offset.
        path: Types of this box and of its descendants down to the sample table.
    """
    if path and box.type == path[0]:
        children = (
            _copy(reader, data, child, addition, shift, path[1:]) for child in reader.children(box)
        )
        return _box(box.type, b"".join(children))
    if path:  # not on the path to a sample table
        return data[box.start : box.end]
    payload = data[box.payload : box.end]
    if box.type == b"stsd":
        entries = (
            _box(entry.type, data[entry.payload : entry.end] + addition)
            for entry in reader.children(box)
        )
        return _box(b"stsd", payload[:8] + b"".join(entries))
    if box.type in (b"stco", b"co64"):
        letter = "I" if box.type == b"stco" else "Q"
        count = struct.unpack(">I", payload[4:8])[0]
        offsets = struct.unpack(
            f">{count}{letter}", payload[8 : 8 + count * struct.calcsize(letter)]
        )
        shifted = struct.pack(f">{count}{letter}", *(offset + shift for offset in offsets))
        return _box(box.type, payload[:8] + shifted)
    return data[box.start : box.end]


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def _full_box(kind: bytes, content: bytes) -> bytes:
    return _box(kind, bytes(4) + content)
