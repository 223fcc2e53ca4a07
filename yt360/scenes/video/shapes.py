"""Flat shapes as signed distances, and a canvas that paints them anti-aliased.

Shapes live in an object's own plane: x to the right, y up, the object filling the unit disc. A
signed distance is negative inside, in units of the object's radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Colour = tuple[float, float, float]


def norm(x: Array, y: Array) -> Array:
    """Return the length of vectors; unlike hypot it is fast, and nothing here can overflow."""
    return np.sqrt(x * x + y * y)


def circle(x: Array, y: Array, cx: float, cy: float, radius: float) -> Array:
    """Return the distance to a disc."""
    return norm(x - np.float32(cx), y - np.float32(cy)) - np.float32(radius)


def ellipse(x: Array, y: Array, cx: float, cy: float, a: float, b: float) -> Array:
    """Return a distance to an ellipse with half-axes a and b, exact on its outline."""
    scaled = norm((x - np.float32(cx)) / np.float32(a), (y - np.float32(cy)) / np.float32(b))
    return (scaled - 1) * np.float32(min(a, b))


def box(x: Array, y: Array, cx: float, cy: float, half: tuple[float, float], r: float) -> Array:
    """Return the distance to a box with half sizes `half` and corners rounded by r."""
    dx = np.abs(x - np.float32(cx)) - np.float32(half[0] - r)
    dy = np.abs(y - np.float32(cy)) - np.float32(half[1] - r)
    outside = norm(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(r)


def capsule(
    x: Array, y: Array, start: tuple[float, float], end: tuple[float, float], r: float
) -> Array:
    """Return the distance to a line from `start` to `end` of half-width r with round ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1).astype(np.float32)
    return norm(px - along * np.float32(dx), py - along * np.float32(dy)) - np.float32(r)


def convex(x: Array, y: Array, corners: tuple[tuple[float, float], ...]) -> Array:
    """Return a distance to a convex polygon, corners counter-clockwise; exact along its edges."""
    distance: Array | None = None
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(bx - ax, by - ay))
        nx, ny = (by - ay) / length, -(bx - ax) / length
        edge = x * np.float32(nx) + y * np.float32(ny) - np.float32(ax * nx + ay * ny)
        distance = edge if distance is None else np.maximum(distance, edge)
    assert distance is not None, "a polygon has corners"
    return distance


def union(*distances: Array) -> Array:
    """Return the distance to the union of shapes."""
    result = distances[0]
    for distance in distances[1:]:
        result = np.minimum(result, distance)
    return result


@dataclass
class Canvas:
    """Points of an object that a look paints, shape after shape.

    Attributes:
        x: (n,) position to the right, in units of the object's radius.
        y: (n,) position upwards.
        phase: (n,) phase of moving parts in radians.
        hue: Main hue of the object, in turns.
        softness: (n,) width of a pixel in the same units, over which edges are blended.
        rgb: (3, n) colours in [0, 1], one row per component.
    """

    x: Array
    y: Array
    phase: Array
    hue: float
    softness: Array
    rgb: Array

    def cover(self, distance: Array) -> Array:
        """Return how much (n,) of each point's pixel lies inside a shape."""
        return np.clip(np.float32(0.5) - distance / self.softness, 0, 1)

    def paint(self, distance: Array, colour: Colour) -> None:
        """Paint a shape in one colour."""
        self.blend(self.cover(distance), colour)

    def blend(self, amount: Array, colour: Colour) -> None:
        """Mix `amount` (n,) of a colour into each point."""
        for plane, component in zip(self.rgb, colour, strict=True):
            plane += amount * (np.float32(component) - plane)

    def shade(self) -> None:
        """Light the object from above left as if it were round."""
        height = np.sqrt(np.maximum(1 - self.x**2 - self.y**2, 0))
        light = np.float32(-0.45) * self.x + np.float32(0.62) * self.y + np.float32(0.64) * height
        self.rgb *= np.float32(0.66) + np.float32(0.42) * light
        shine = np.clip((light - np.float32(0.9)) * 6, 0, 1) * np.float32(0.35)
        self.blend(shine, (1.0, 1.0, 1.0))
