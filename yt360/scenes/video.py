"""Encodes frames as H.264 in an MP4 that says it is an equirectangular 360° video."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from yt360.media.boxes import BoxReader

# ITU-T H.273 number of BT.709, for matrix, primaries and transfer alike.
_BT709 = 1


def encode_video(frames: Iterable[NDArray[np.uint8]], fps: int, crf: int) -> bytes:
    """Return an MP4 with H.264 and spherical metadata; the same frames give the same bytes.

    Args:
        frames: RGB pictures (height, width, 3) of one size with even sides, at least one.
        fps: Frames per second; the first is shown at 0.
        crf: Quality, 0 (best) to 51.
    """
    buffer = BytesIO()
    # One for all frames: setting it up costs more than its use.
    to_yuv = VideoReformatter()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.options = {"preset": "veryfast", "crf": str(crf), "threads": "1"}
        context.gop_size = 2 * fps
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        for number, picture in enumerate(frames):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = to_yuv.reformat(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return tag_equirectangular(buffer.getvalue())


def tag_equirectangular(mp4: bytes) -> bytes:
    """Add the boxes of Google's Spherical Video RFC V2 to the first video track of an MP4.

    Args:
        mp4: A file whose index (``moov``) comes after its media data, so that a longer index moves
            no data.

    Raises:
        ValueError: The index comes first, or there is no video track.
    """
    reader = BoxReader(BytesIO(mp4))
    top = list(reader.top())
    movie = next((box for box in top if box.type == b"moov"), None)
    if movie is None or any(box.start > movie.start and box.type == b"mdat" for box in top):
        raise ValueError("only an MP4 whose moov box follows its media data can be tagged")
    for track in reader.children(movie):
        path = [movie, track]
        for name in (b"mdia", b"minf", b"stbl", b"stsd"):
            child = reader.find(path[-1], name) if track.type == b"trak" else None
            if child is None:
                break
            path.append(child)
        else:
            entry = next(reader.children(path[-1]))
            if entry.type == b"avc1":
                return _insert(mp4, entry.end, [box.start for box in (*path, entry)])
    raise ValueError("there is no H.264 track to tag")


def _insert(mp4: bytes, place: int, parents: list[int]) -> bytes:
    """Insert the spherical boxes at `place` and lengthen the boxes that begin at `parents`."""
    boxes = _spherical_boxes()
    tagged = bytearray(mp4[:place] + boxes + mp4[place:])
    for start in parents:
        (size,) = struct.unpack_from(">I", tagged, start)
        struct.pack_into(">I", tagged, start, size + len(boxes))
    return bytes(tagged)


def _spherical_boxes() -> bytes:
    stereo = _full_box(b"st3d", bytes([0]))  # mono
    header = _full_box(b"svhd", b"yt360 scenes\0")
    pose = _full_box(b"prhd", struct.pack(">3i", 0, 0, 0))
    whole = _full_box(b"equi", struct.pack(">4I", 0, 0, 0, 0))
    return stereo + _box(b"sv3d", header + _box(b"proj", pose + whole))


def _full_box(kind: bytes, payload: bytes) -> bytes:
    return _box(kind, bytes(4) + payload)  # version 0, no flags


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + kind + payload
