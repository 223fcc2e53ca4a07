"""Ridges on the horizon: hills, mountains, trees and buildings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from yt360.scenes.video.skies import Light
from yt360.scenes.video.textures import Array, around, cell_hash, mix, noise, rgb, ring, smoothstep

Generator = np.random.Generator
_WINDOW_RAD = 0.036


@dataclass(frozen=True, eq=False)
class Ridge:
    """One ridge on the horizon.

    Attributes:
        kind: ``"hills"``, ``"mountains"``, ``"mesas"``, ``"trees"`` or ``"buildings"``.
        stuff: Name of its class.
        heights: (2048,) elevation of its upper edge over a full turn, radians; below 0 is nothing.
        haze: Fraction of the colour of the horizon, 0 to 1.
        salt: Seed of the random details.
    """

    kind: str
    stuff: str
    heights: Array
    haze: float
    salt: int

    def height(self, azimuth: Array) -> Array:
        """Return the elevation (n,) of the upper edge at azimuths (n,), radians."""
        if self.kind == "buildings":
            # Walls are upright: no slope between two neighbouring values.
            place = np.floor((azimuth * np.float32(0.5 / np.pi) + 1) * len(self.heights))
            return self.heights[place.astype(np.int64) % len(self.heights)]
        return around(self.heights, azimuth)

    def paint(self, azimuth: Array, elevation: Array, light: Light, pixel: float) -> Array:
        """Return colours (n, 3) of points of the ridge, angles (n,) and `pixel` in radians."""
        height = np.maximum(self.height(azimuth), 1e-3)
        colour = _PAINTERS[self.kind](Points(azimuth, elevation, elevation / height, self.salt))
        if self.kind == "buildings":
            coarse = min(1.0, 0.3 * _WINDOW_RAD / pixel)
            panes = _windows(colour * light.ambient, azimuth, elevation, light, self.salt)
            colour = colour * light.ambient * np.float32(1 - coarse) + panes * np.float32(coarse)
        else:
            colour = colour * light.ambient
        lift = np.float32(self.haze) * (1 - np.float32(0.35) * np.clip(elevation / height, 0, 1))
        return mix(colour, light.horizon, lift)


def hills(generator: Generator, top: float, haze: float, stuff: str = "grass") -> Ridge:
    """Sample soft hills up to `top` radians."""
    waves = ring(generator, 2, 14, 1.1)
    return _ridge(generator, "hills", stuff, top * (0.55 + 0.45 * waves), haze)


def mountains(generator: Generator, top: float, haze: float) -> Ridge:
    """Sample pointed mountains up to `top` radians."""
    broad = ring(generator, 3, 9, 0.6)
    sharp = 1 - 2 * np.abs(ring(generator, 5, 60, 1.15))
    waves = 0.35 + 0.3 * broad + 0.35 * np.maximum(sharp, -0.2)
    return _ridge(generator, "mountains", "mountain", top * waves, haze)


def mesas(generator: Generator, top: float, haze: float) -> Ridge:
    """Sample table mountains up to `top` radians that stand apart."""
    waves = ring(generator, 3, 24, 0.8)
    tables = 0.25 + 0.75 * np.clip((waves - 0.12) * 7, 0, 1) + 0.05 * ring(generator, 9, 90, 0.4)
    return _ridge(generator, "mesas", "mountain", top * tables, haze)


def islands(generator: Generator, top: float, haze: float) -> Ridge:
    """Sample a few islands up to `top` radians with open horizon between."""
    waves = ring(generator, 2, 6, 0.5) - 0.1 + 0.1 * ring(generator, 12, 60, 0.8)
    return _ridge(generator, "mountains", "mountain", top * waves, haze)


def trees(generator: Generator, top: float, haze: float) -> Ridge:
    """Sample a forest of pointed trees up to `top` radians with clearings."""
    turn = np.arange(2048, dtype=np.float32) / 2048
    wood = np.clip(0.5 + 1.2 * ring(generator, 2, 9, 0.5), 0.0, 1)
    edge = np.zeros(2048, dtype=np.float32)
    for count in (61, 83, 101):
        place = (turn * count + generator.random()) % 1.0
        tree = np.floor(turn * count)
        size = cell_hash(tree, np.full_like(tree, count), int(generator.integers(2**20)))
        edge = np.maximum(edge, (0.5 + 0.5 * size) * (1 - np.abs(2 * place - 1)) ** 0.8)
    return _ridge(generator, "trees", "tree", top * (0.3 + 0.7 * edge) * wood - 0.004, haze)


def buildings(generator: Generator, top: float, haze: float, count: int) -> Ridge:
    """Sample about `count` buildings up to `top` radians around the horizon."""
    widths = generator.uniform(0.5, 1.5, size=count)
    edges = np.concatenate([[0], np.cumsum(widths / widths.sum())])
    levels = generator.uniform(0.25, 1.0, size=count) ** 1.4
    street = generator.random(count) < 0.12
    tall = np.where(street, 0.12, levels)
    cells = np.searchsorted(edges, (np.arange(2048) + 0.5) / 2048) - 1
    return _ridge(generator, "buildings", "building", top * tall[cells], haze)


def _ridge(generator: Generator, kind: str, stuff: str, heights: Array, haze: float) -> Ridge:
    salt = int(generator.integers(2**20))
    return Ridge(kind, stuff, np.asarray(heights, dtype=np.float32), haze, salt)


class Points(NamedTuple):
    """Points (n,) of a ridge: angles in radians, and fraction of the ridge's height."""

    azimuth: Array
    elevation: Array
    part: Array
    salt: int

    def rough(self, zoom: float, slant: float = 0.0) -> Array:
        """Return noise (n,) over the ridge; both factors must be whole numbers to have no seam."""
        turn = self.azimuth * np.float32(1 / np.pi)
        shift = np.float32(self.salt % 97) / 97
        return noise(zoom * turn + shift, 0.9 * zoom * self.elevation + slant * turn)


def _paint_hills(points: Points) -> Array:
    tone = np.clip(0.35 + 0.4 * points.part + 0.12 * points.rough(1), 0, 1)
    return mix(rgb(0.22, 0.42, 0.22), rgb(0.5, 0.68, 0.34), tone)


def _paint_mountains(points: Points) -> Array:
    rough = points.rough(2, slant=1)
    colour = mix(rgb(0.3, 0.33, 0.42), rgb(0.52, 0.53, 0.58), np.clip(0.5 + 0.35 * rough, 0, 1))
    snow = smoothstep(0.13, 0.17, points.elevation + 0.022 * rough)
    return mix(colour, rgb(0.97, 0.98, 1.0), snow)


def _paint_mesas(points: Points) -> Array:
    layers = np.sin(points.elevation * 160 + 0.6 * points.rough(1))
    tone = np.clip(0.5 + 0.22 * layers + 0.2 * points.part, 0, 1)
    return mix(rgb(0.5, 0.22, 0.14), rgb(0.85, 0.5, 0.3), tone)


def _paint_trees(points: Points) -> Array:
    tone = np.clip(0.25 + 0.5 * points.part + 0.2 * points.rough(3), 0, 1)
    return mix(rgb(0.05, 0.19, 0.13), rgb(0.18, 0.42, 0.22), tone)


def _paint_buildings(points: Points) -> Array:
    block = np.floor((points.azimuth * np.float32(0.5 / np.pi) + 1) * 24)
    tone = cell_hash(np.mod(block, 24), np.zeros_like(block), points.salt)
    return mix(rgb(0.42, 0.36, 0.42), rgb(0.78, 0.66, 0.58), tone)


def _windows(colour: Array, azimuth: Array, elevation: Array, light: Light, salt: int) -> Array:
    columns = round(2 * np.pi / _WINDOW_RAD)
    u = (azimuth * np.float32(0.5 / np.pi) + 1) * columns
    v = elevation / np.float32(_WINDOW_RAD)
    inside = (np.abs(u - np.floor(u) - 0.5) < 0.27) & (np.abs(v - np.floor(v) - 0.5) < 0.3)
    dark = 1 - float(light.ambient.mean())
    lit = cell_hash(np.mod(np.floor(u), columns), np.floor(v), salt + 1) < 0.9 * dark
    glass = rgb(0.4, 0.55, 0.72) * light.ambient
    pane = mix(glass, rgb(1.0, 0.86, 0.52), lit.astype(np.float32))
    return mix(colour, pane, inside * np.float32(0.85))


_PAINTERS = {
    "hills": _paint_hills,
    "mountains": _paint_mountains,
    "mesas": _paint_mesas,
    "trees": _paint_trees,
    "buildings": _paint_buildings,
}
