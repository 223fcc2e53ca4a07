"""Read the projection, stereo mode and sound field that a file declares.

Sources: Google's Spherical Video RFC V1 (XML in a ``uuid`` box) and V2 (boxes ``st3d``, ``sv3d``),
and its Spatial Audio RFC (box ``SA3D``). Matroska has its own elements:
`yt360.media.containers.matroska`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from yt360.media.containers.boxes import Box, BoxReader
from yt360.media.containers.mesh import mesh_projection

ProjectionKind = Literal["untagged", "equirectangular", "cubemap", "eac", "mesh", "unknown"]
StereoMode = Literal["mono", "top-bottom", "bottom-top", "left-right", "right-left", "custom"]

SPHERICAL_UUID = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
ST3D_MODES: tuple[StereoMode, ...] = (
    "mono", "top-bottom", "left-right", "custom", "right-left", "custom",
)  # fmt: skip
# Minimum fraction of the sphere that a 360° frame covers horizontally and vertically.
_FULL_PART = 0.98
_ROUGHLY_HALF = (0.4, 0.6)
# Pixel counts in V1 metadata; `str.isdigit` would also accept other digits.
_PIXELS = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Projection:
    """The mapping of a video's frames to the sphere.

    Attributes:
        kind: Kind of projection; ``"untagged"`` if the file does not declare one.
        stereo_mode: Arrangement of the eyes in a frame; ``"mono"`` if not declared.
        yaw_deg, pitch_deg, roll_deg: Pose of the projection as declared (V2: counter-clockwise
            yaw, upward pitch, clockwise roll).
        horizontal_part: Fraction of 360° that the image of one eye covers, in (0, 1].
        vertical_part: Fraction of 180° that it covers.
        padding_px: Padding around each face of a cubemap in pixels.
        evidence: Sources of these values in the file.
    """

    kind: ProjectionKind = "untagged"
    stereo_mode: StereoMode = "mono"
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    horizontal_part: float = 1.0
    vertical_part: float = 1.0
    padding_px: int = 0
    evidence: tuple[str, ...] = ()

    def with_evidence(self, evidence: str, **values: object) -> Projection:
        """Return a copy with additional values and their evidence; later values win."""
        return replace(self, evidence=(*self.evidence, evidence), **values)  # type: ignore[arg-type]

    @property
    def is_half_sphere(self) -> bool:
        """Whether this is a 180° video (VR180)."""
        low, high = _ROUGHLY_HALF
        return low <= self.horizontal_part <= high

    @property
    def is_whole_sphere(self) -> bool:
        """Whether frames cover the whole sphere (within two percent)."""
        return min(self.horizontal_part, self.vertical_part) >= _FULL_PART


@dataclass(frozen=True)
class SA3D:
    """The content of an ``SA3D`` box: the declared layout of an ambisonic track."""

    order: int
    ordering: str
    normalization: str
    channel_map: tuple[int, ...]
    head_locked_stereo: bool


@dataclass(frozen=True)
class TrackTags:
    """The metadata of a track in its container.

    Attributes:
        handler: ``"video"``, ``"audio"`` or the container's name of another kind.
        codec: Sample entry type in MP4, or CodecID in Matroska.
        projection: Projection of a video track.
        sa3d: ``SA3D`` box of an MP4 audio track, if present.
        dolby_vision_profile: Dolby Vision profile of an MP4 video track, if any.
    """

    handler: str
    codec: str = ""
    projection: Projection | None = None
    sa3d: SA3D | None = None
    dolby_vision_profile: int | None = None


def read_mp4_tags(file: BinaryIO) -> list[TrackTags]:
    """Return the tags of each track of an MP4 or MOV in file order; ignore damaged boxes."""
    reader = BoxReader(file)
    movie = next((box for box in reader.top() if box.type == b"moov"), None)
    if movie is None:
        return []
    tracks = [box for box in reader.children(movie) if box.type == b"trak"]
    return [_track_tags(reader, track) for track in tracks]


def parse_v1(xml: str) -> Projection | None:
    """Return the projection that V1 metadata describes, or None if it is not spherical.

    Regular expressions find the elements, so hostile XML entities are not expanded.
    """

    def value(name: str) -> str | None:
        match = re.search(rf"<GSpherical:{name}>([^<]*)</GSpherical:{name}>", xml)
        return match[1].strip().lower() if match else None

    if value("Spherical") not in ("true", "1"):
        return None
    stereo = value("StereoMode") or "mono"
    kind = value("ProjectionType") or "equirectangular"
    fractions = []
    for side in ("Width", "Height"):
        cropped, full = value(f"CroppedAreaImage{side}Pixels"), value(f"FullPano{side}Pixels")
        fractions.append(_fraction(cropped or "", full or ""))
    return Projection(
        "equirectangular" if kind == "equirectangular" else "unknown",
        stereo if stereo in ("mono", "top-bottom", "left-right") else "custom",  # type: ignore[arg-type]
        horizontal_part=fractions[0],
        vertical_part=fractions[1],
        evidence=(f"V1 metadata: {kind}, {stereo}",),
    )


def _fraction(cropped: str, full: str) -> float:
    """Return the fraction of `full` pixels that `cropped` pixels are, at most 1; 1 if unknown."""
    if not (_PIXELS.fullmatch(cropped) and _PIXELS.fullmatch(full) and int(full) > 0):
        return 1.0
    return min(int(cropped) / int(full), 1.0)


def projection_box(kind: bytes, payload: bytes) -> dict[str, object]:
    """Return the `Projection` fields that a ``prhd``, ``equi``, ``cbmp`` or ``mshp`` box sets.

    Matroska's ProjectionPrivate has the same payloads. A truncated payload sets nothing.
    """
    body = payload[4:]  # version and flags
    if kind == b"prhd" and len(body) >= 12:
        yaw, pitch, roll = (value / 65536 for value in struct.unpack(">3i", body[:12]))
        return {"yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": roll}
    if kind == b"equi" and len(body) >= 16:
        top, bottom, left, right = (value / 2**32 for value in struct.unpack(">4I", body[:16]))
        return {
            "kind": "equirectangular",
            "horizontal_part": max(1 - left - right, 1e-6),
            "vertical_part": max(1 - top - bottom, 1e-6),
        }
    if kind == b"cbmp" and len(body) >= 8:
        layout, padding = struct.unpack(">II", body[:8])
        return {"kind": "cubemap" if layout == 0 else "unknown", "padding_px": padding}
    if kind in (b"mshp", b"ytmp"):
        return mesh_projection(payload)
    return {}


def _track_tags(reader: BoxReader, track: Box) -> TrackTags:
    handler_box = reader.find(track, b"mdia", b"hdlr")
    handler = reader.payload(handler_box)[8:12] if handler_box else b""
    description = reader.find(track, b"mdia", b"minf", b"stbl", b"stsd")
    entry = next(reader.children(description), None) if description else None
    codec = entry.type.decode("latin-1").strip() if entry else ""
    if handler == b"vide":
        return TrackTags(
            "video",
            codec,
            projection=_video_projection(reader, track, entry),
            dolby_vision_profile=_dolby_vision_profile(reader, entry) if entry else None,
        )
    if handler == b"soun":
        return TrackTags("audio", codec, sa3d=_audio_tags(reader, entry) if entry else None)
    return TrackTags(handler.decode("latin-1"), codec)


def _video_projection(reader: BoxReader, track: Box, entry: Box | None) -> Projection:
    projection = _v1_projection(reader, track)
    for box in reader.sample_entry_children(entry, is_video=True) if entry else ():
        if box.type == b"st3d":
            payload = reader.payload(box)
            mode = ST3D_MODES[min(payload[4], 5)] if len(payload) >= 5 else "mono"
            projection = projection.with_evidence(f"st3d box: {mode}", stereo_mode=mode)
        elif box.type == b"sv3d":
            container = reader.find(box, b"proj")
            for part in reader.children(container) if container else ():
                values = projection_box(part.type, reader.payload(part))
                if "kind" in values:
                    name = part.type.decode("latin-1")
                    projection = projection.with_evidence(f"{name} box: {values['kind']}", **values)
                elif any(values.values()):
                    projection = projection.with_evidence(
                        "prhd box: the projection is turned", **values
                    )
    return projection


def _dolby_vision_profile(reader: BoxReader, entry: Box) -> int | None:
    for box in reader.sample_entry_children(entry, is_video=True):
        if box.type in (b"dvcC", b"dvvC"):
            payload = reader.payload(box)
            return payload[2] >> 1 if len(payload) > 2 else None
    return None


def _v1_projection(reader: BoxReader, track: Box) -> Projection:
    for box in reader.children(track):
        if box.type == b"uuid":
            payload = reader.payload(box)
            if payload[:16] == SPHERICAL_UUID:
                found = parse_v1(payload[16:].decode("utf-8", "replace"))
                if found is not None:
                    return found
    return Projection()


def _audio_tags(reader: BoxReader, entry: Box) -> SA3D | None:
    for box in reader.sample_entry_children(entry, is_video=False):
        if box.type == b"SA3D":
            return parse_sa3d(reader.payload(box))
        if box.type == b"wave":  # QuickTime wraps the extensions of an audio entry
            for inner in reader.children(box):
                if inner.type == b"SA3D":
                    return parse_sa3d(reader.payload(inner))
    return None


def parse_sa3d(payload: bytes) -> SA3D | None:
    """Return the content of an SA3D box, or None if it is truncated or inconsistent."""
    if len(payload) < 12 or payload[0] != 0:
        return None
    kind, order, ordering, normalization, channels = struct.unpack(">BIBBI", payload[1:12])
    if len(payload) < 12 + 4 * channels or not 1 <= channels <= 64:
        return None
    return SA3D(
        order=order,
        ordering={0: "acn"}.get(ordering, f"ordering {ordering}"),
        normalization={0: "sn3d", 1: "n3d"}.get(normalization, f"normalization {normalization}"),
        channel_map=struct.unpack(f">{channels}I", payload[12 : 12 + 4 * channels]),
        head_locked_stereo=bool(kind & 0x80),
    )
