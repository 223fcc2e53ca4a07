"""Detect standard projections in projection meshes.

A mesh maps positions in the frame to directions, vertex by vertex. YouTube uses meshes for
equi-angular cubemaps, and VR180 cameras for their lenses. Source: Google's Spherical Video RFC V2,
boxes ``mshp`` and ``mesh``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Limits against decompression bombs; players accept up to 32,000 vertices.
_MAX_BYTES = 4 << 20
_MAX_VERTICES = 1 << 16
_MAX_MESHES = 2  # one per eye
# Tolerance of texture coordinates, which borders around faces shift slightly.
_TOLERANCE = 0.03
_EDGE = 1e-3
# A mesh whose directions all have at least this x (of a unit vector) covers a half sphere.
_BEHIND = -0.35

Array = NDArray[np.float64]


def mesh_projection(payload: bytes) -> dict[str, Any]:
    """Return the `Projection` fields that a mesh box sets.

    Args:
        payload: Payload of an ``mshp`` (or YouTube's older ``ytmp``) box, starting at its version.

    Returns:
        ``kind``: ``"eac"`` or ``"equirectangular"`` if the mesh matches this projection, otherwise
        ``"mesh"``, also for a damaged mesh; ``horizontal_part`` 0.5 for a half sphere; and
        ``stereo_mode`` if two meshes define the positions of both eyes.
    """
    try:
        meshes = list(islice(_meshes(payload), _MAX_MESHES))
    except (struct.error, zlib.error, ValueError, IndexError):
        return {"kind": "mesh"}
    if not meshes:
        return {"kind": "mesh"}
    directions, places = meshes[0]
    if directions[:, 0].min() > _BEHIND:
        return {"kind": "mesh", "horizontal_part": 0.5}
    layouts: list[tuple[dict[str, Any], Array]] = [({}, places)]
    if len(meshes) > 1:
        x, y = places.T
        layouts = [
            ({"stereo_mode": "top-bottom"}, np.stack([x, 2 * y], axis=1)),
            ({"stereo_mode": "left-right"}, np.stack([2 * x, y], axis=1)),
        ]
    for values, eye_places in layouts:
        for kind, error in (("eac", _eac_error), ("equirectangular", _equirect_error)):
            if error(directions, eye_places) < _TOLERANCE:
                return {"kind": kind, **values}
    return {"kind": "mesh"}


def eac_positions(directions: Array) -> Iterator[tuple[Array, Array]]:
    """Project directions to the frame for each face of YouTube's equi-angular cubemap.

    Args:
        directions: Unit vectors (N, 3): front, left, up.

    Yields:
        Positions (N, 2) in the frame, right and down in [0, 1], and a mask (N,) of the directions
        on the face.
    """
    x, y, z = directions.T
    # For each face: axis, right and down directions as seen from inside; column and row in the
    # frame; rotation in the frame in counter-clockwise quarter turns.
    faces = (
        (y, x, -z, 0, 0, 0), (x, -y, -z, 1, 0, 0), (-y, -x, -z, 2, 0, 0),
        (-z, -y, -x, 0, 1, 1), (-x, y, -z, 1, 1, -1), (z, -y, x, 2, 1, 1),
    )  # fmt: skip
    nearest = np.abs(directions).max(axis=1)
    for axis, right, down, column, row, turns in faces:
        on_face = axis > nearest - _EDGE
        depth = np.where(on_face, np.maximum(axis, 1e-9), 1.0)
        a, b = (np.arctan(part / depth) * 2 / np.pi + 0.5 for part in (right, down))
        if turns == 1:
            a, b = b, 1 - a
        elif turns == -1:
            a, b = 1 - b, a
        yield np.stack([(column + a) / 3, (row + b) / 2], axis=1), on_face


def _eac_error(directions: Array, places: Array) -> float:
    errors = [
        np.where(on_face, np.abs(expected - places).max(axis=1), np.inf)
        for expected, on_face in eac_positions(directions)
    ]
    return float(np.min(errors, axis=0).max())


def _equirect_error(directions: Array, places: Array) -> float:
    x, y, z = directions.T
    right = np.abs(0.5 - np.arctan2(y, x) / (2 * np.pi) - places[:, 0])
    # Left and right edges coincide, and the azimuth is undefined at the poles.
    right = np.where(np.hypot(x, y) < _EDGE, 0.0, np.minimum(right, np.abs(1 - right)))
    down = np.abs(0.5 - np.arcsin(np.clip(z, -1, 1)) / np.pi - places[:, 1])
    return float(max(right.max(), down.max()))


def _meshes(payload: bytes) -> Iterator[tuple[Array, Array]]:
    """Yield directions (N, 3) and positions in the frame (N, 2) of the vertices of each mesh."""
    encoding, data = payload[8:12], payload[12:]
    if encoding == b"dfl8":
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _MAX_BYTES)
    elif encoding != b"raw ":
        raise ValueError("unknown encoding of a mesh")
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if size < 8 or position + size > len(data):
            return
        if kind == b"mesh":
            yield _vertices(data[position + 8 : position + size])
        position += size


def _vertices(data: bytes) -> tuple[Array, Array]:
    (count,) = struct.unpack_from(">I", data)
    coordinates = np.frombuffer(data, ">f4", count, 4).astype(np.float64)
    start = 4 + 4 * count
    (vertices,) = struct.unpack_from(">I", data, start)
    if (
        not 3 <= vertices <= _MAX_VERTICES
        or not 0 < count <= _MAX_VERTICES
        or not np.isfinite(coordinates).all()
    ):
        raise ValueError("not the vertices of a mesh")
    width = max((2 * count - 1).bit_length(), 1)
    bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=start + 4))
    fields = bits[: vertices * 5 * width].reshape(vertices * 5, width)
    codes = fields @ (1 << np.arange(width)[::-1])
    # Zigzag decoding: even numbers map to 0, 1, 2, ..., odd ones to -1, -2, ...
    deltas = np.where(codes % 2, -(codes + 1) // 2, codes // 2).reshape(vertices, 5)
    indices = np.cumsum(deltas, axis=0)
    if indices.min() < 0 or indices.max() >= count:
        raise ValueError("a vertex outside its mesh")
    x, y, z, u, v = coordinates[indices].T
    # OpenGL axes: -z forward, x right, y up; v points up.
    directions = np.stack([-z, -x, y], axis=1)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if lengths.min() <= 0:
        raise ValueError("a vertex at the centre")
    return directions / lengths, np.stack([u, 1 - v], axis=1)
