"""Arrangements of the faces of cubemaps in a frame, and the edges that they share on the sphere."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

CubeKind = Literal["eac", "cubemap", "c3x2"]
Axis = tuple[int, int, int]

# Outward normal and directions of the right and lower side of each face as the viewer sees it,
# with the back at the top of the up face and the front at the top of the down face.
_AXES: dict[str, tuple[Axis, Axis, Axis]] = {
    "front": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "back": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "left": ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
    "right": ((0, -1, 0), (-1, 0, 0), (0, 0, -1)),
    "up": ((0, 0, 1), (0, -1, 0), (1, 0, 0)),
    "down": ((0, 0, -1), (0, -1, 0), (-1, 0, 0)),
}
# Faces of both rows with their quarter turns to the left in the frame.
_ARRANGEMENTS: dict[CubeKind, tuple[tuple[tuple[str, int], ...], ...]] = {
    "eac": (
        (("left", 0), ("front", 0), ("right", 0)),
        (("down", 1), ("back", 3), ("up", 1)),
    ),
    "cubemap": (
        (("right", 0), ("left", 0), ("up", 2)),
        (("down", 2), ("front", 0), ("back", 0)),
    ),
    "c3x2": (
        (("right", 0), ("left", 0), ("up", 0)),
        (("down", 0), ("front", 0), ("back", 0)),
    ),
}
CUBES: tuple[CubeKind, ...] = tuple(_ARRANGEMENTS)


class _Side(NamedTuple):
    """One side of a face in the frame: unit vectors on the sphere, and pixels."""

    face: Axis  # normal of the face
    beyond: Axis  # normal of the face that continues it
    along: Axis  # direction in which the pixels are listed
    border: NDArray[np.intp]
    inside: NDArray[np.intp]  # one pixel further inside


@lru_cache(maxsize=32)
def shared_edges(kind: CubeKind, height: int, width: int) -> NDArray[np.intp]:
    """Return pixels on both sides of the cube's edges that are not adjacent in the frame.

    Args:
        kind: Arrangement of the faces.
        height: Height of a frame of two rows of three faces.
        width: Its width.

    Returns:
        Indices (E, 4, L) into a flattened frame, for E edges and L places on each: a pixel at the
        border of a face, its neighbour inside the face, the pixel across the edge, and the
        neighbour of that one inside its face. L is the longer side of a face.
    """
    sides = _sides(kind, height, width)
    edges = []
    for first, second in product(sides, sides):
        is_shared = first.beyond == second.face and second.beyond == first.face
        if not is_shared or first.face > second.face:
            continue
        turned = -1 if np.dot(first.along, second.along) < 0 else 1
        pixels = [first.border, first.inside, second.border[::turned], second.inside[::turned]]
        distances = np.abs(pixels[0] - pixels[2])
        if not any((distances == beside).all() for beside in (1, width)):
            edges.append(pixels)
    return np.array(edges)


def _sides(kind: CubeKind, height: int, width: int) -> list[_Side]:
    rows, columns = height // 2, width // 3
    places = (np.arange(max(rows, columns)) + 0.5) / max(rows, columns)
    down, across = (places * rows).astype(int), (places * columns).astype(int)
    index = np.arange(height * width).reshape(height, width)
    sides = []
    for row, line in enumerate(_ARRANGEMENTS[kind]):
        for column, (face, turns) in enumerate(line):
            pixels = index[row * rows :, column * columns :][:rows, :columns]
            normal, right, lower = _AXES[face]
            for _ in range(turns):
                right, lower = lower, _opposite(right)
            sides += [
                _Side(normal, right, lower, pixels[down, -1], pixels[down, -2]),
                _Side(normal, _opposite(right), lower, pixels[down, 0], pixels[down, 1]),
                _Side(normal, lower, right, pixels[-1, across], pixels[-2, across]),
                _Side(normal, _opposite(lower), right, pixels[0, across], pixels[1, across]),
            ]
    return sides


def _opposite(axis: Axis) -> Axis:
    return (-axis[0], -axis[1], -axis[2])
