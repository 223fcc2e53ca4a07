"""An indoor place: a rectangular hall with a wooden floor, papered walls and a beamed ceiling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.scenes.video.grounds import EYE_HEIGHT_M
from yt360.scenes.video.looks import shade_of
from yt360.scenes.video.textures import Array, cell_hash, mix, noise, rgb, smoothstep
from yt360.scenes.world.classes import STUFF


@dataclass(frozen=True, eq=False)
class Hall:
    """A hall around the camera.

    Attributes:
        half_size_m: (2,) distance of the walls in x and in y.
        ceiling_m: Height of the ceiling above the camera.
        hue: Hue of the walls, in turns.
        ambient: (3,) colour of the lamps' light.
        salt: Seed of the random details.
    """

    half_size_m: Array
    ceiling_m: float
    hue: float
    ambient: Array
    salt: int

    def classes(self, directions: Array) -> NDArray[np.uint8]:
        """Return the class (n,) of the surface in each direction (n, 3)."""
        surface = self._hit(directions)[0]
        names = np.array([STUFF["wall"], STUFF["floor-wood"], STUFF["ceiling"]], dtype=np.uint8)
        return names[surface]

    def paint(self, directions: Array, pixel: float) -> Array:
        """Return colours (n, 3) of directions (n, 3); `pixel` is the angle of a pixel."""
        surface, points, along_x = self._hit(directions)
        colour = np.empty_like(directions)
        walls, floor, ceiling = (surface == kind for kind in range(3))
        colour[walls] = self._wall(points[walls], along_x[walls], pixel)
        colour[floor] = self._floor(points[floor], pixel)
        colour[ceiling] = self._ceiling(points[ceiling])
        return colour * self._corner_shadow(points)[:, None] * self.ambient

    def _hit(self, directions: Array) -> tuple[NDArray[np.int64], Array, NDArray[np.bool_]]:
        """Intersect directions (n, 3): surface, point in m, whether a wall runs along x.

        Surfaces are 0 wall, 1 floor, 2 ceiling.
        """
        size = np.abs(directions) + np.float32(1e-9)
        height = np.where(directions[:, 2] < 0, EYE_HEIGHT_M, self.ceiling_m)
        reach = np.stack(
            [self.half_size_m[0] / size[:, 0], self.half_size_m[1] / size[:, 1],
             height / size[:, 2]], -1,
        )  # fmt: skip
        axis = reach.argmin(-1)
        points = directions * reach.min(-1).astype(np.float32)[:, None]
        surface = np.where(axis < 2, 0, np.where(directions[:, 2] < 0, 1, 2))
        return surface, points, axis == 1

    def _wall(self, points: Array, along_x: NDArray[np.bool_], pixel: float) -> Array:
        u = np.where(along_x, points[:, 0], points[:, 1])
        height = points[:, 2] + np.float32(EYE_HEIGHT_M)
        top = self.ceiling_m + EYE_HEIGHT_M
        stripe = smoothstep(-0.25, 0.25, np.sin(u * np.float32(2 * np.pi / 0.7)))
        light, dark = shade_of(self.hue, 0.3, 0.88), shade_of(self.hue + 0.02, 0.4, 0.78)
        paper = mix(rgb(*light), rgb(*dark), stripe)
        colour = self._paintings(paper, u, height, along_x)
        panel = rgb(*shade_of(self.hue + 0.06, 0.5, 0.5))
        grooves = np.abs(np.mod(u, np.float32(0.9)) - 0.45) > 0.4
        wood = panel * (1 - 0.25 * grooves[:, None].astype(np.float32))
        edge = 4 * pixel
        colour = mix(wood, colour, smoothstep(1.0 - edge, 1.0 + edge, height))
        rail = (np.abs(height - 1.0) < 0.05) | (height < 0.14) | (height > top - 0.12)
        return mix(colour, rgb(0.95, 0.93, 0.88), rail.astype(np.float32))

    def _paintings(self, colour: Array, u: Array, height: Array, side: NDArray[np.bool_]) -> Array:
        cell = np.floor(u / np.float32(2.1))
        within = u - (cell + np.float32(0.5)) * np.float32(2.1)
        chance = cell_hash(cell, side.astype(np.float32), self.salt)
        x, y = np.abs(within) / np.float32(0.5), np.abs(height - 1.85) / np.float32(0.42)
        inside, frame = (np.maximum(x, y) < 0.86) & (chance < 0.6), np.maximum(x, y) < 1.0
        colour = mix(colour, rgb(0.5, 0.33, 0.12), (frame & (chance < 0.6)).astype(np.float32))
        art = np.stack([
            0.5 + 0.4 * np.sin(6.3 * chance * 5 + within * 5),
            0.5 + 0.3 * np.sin(6.3 * chance * 9 + height * 6),
            0.5 + 0.4 * np.cos(6.3 * chance * 7 + within * 3 + height * 3),
        ], -1).astype(np.float32)  # fmt: skip
        return mix(colour, art, inside.astype(np.float32))

    def _floor(self, points: Array, pixel: float) -> Array:
        row = np.floor(points[:, 1] / np.float32(0.32))
        along = points[:, 0] / np.float32(1.9) + cell_hash(row, np.zeros_like(row), self.salt)
        tone = cell_hash(np.floor(along), row, self.salt + 1)
        grain = noise(points[:, 0] * 0.03, points[:, 1] * 0.4)
        colour = mix(rgb(0.5, 0.3, 0.16), rgb(0.78, 0.54, 0.32),
                     np.clip(0.2 + 0.6 * tone + 0.12 * grain, 0, 1))  # fmt: skip
        from_joint = np.minimum(
            np.abs(np.mod(points[:, 1] / np.float32(0.32) + 0.5, 1) - 0.5) * 0.32,
            np.abs(np.mod(along + 0.5, 1) - 0.5) * 1.9,
        )
        span = pixel * (EYE_HEIGHT_M + (points[:, 0] ** 2 + points[:, 1] ** 2) / EYE_HEIGHT_M)
        joint = np.clip(0.5 + (0.012 - from_joint) / (span + 0.004), 0, 1)
        joint = joint * np.minimum(1, 0.03 / (span + 0.004))
        return mix(colour, rgb(0.2, 0.1, 0.05), 0.7 * joint.astype(np.float32))

    def _ceiling(self, points: Array) -> Array:
        beam = np.abs(np.mod(points[:, 0] / np.float32(1.6), 1) - 0.5) > 0.42
        colour = mix(rgb(0.93, 0.9, 0.84), rgb(0.45, 0.3, 0.18), beam.astype(np.float32))
        lamp = np.hypot(np.mod(points[:, 0], np.float32(3.2)) - 1.6,
                        np.mod(points[:, 1], np.float32(3.2)) - 1.6)  # fmt: skip
        glow = np.exp(-np.square(lamp / np.float32(0.35)))
        return mix(colour, rgb(1.0, 0.98, 0.85), np.clip(1.4 * glow, 0, 1))

    def _corner_shadow(self, points: Array) -> Array:
        """Return the brightness (n,) of points, which is lower in the corners of the room."""
        gaps = np.stack([
            self.half_size_m[0] - np.abs(points[:, 0]),
            self.half_size_m[1] - np.abs(points[:, 1]),
            np.minimum(points[:, 2] + EYE_HEIGHT_M, self.ceiling_m - points[:, 2]),
        ], -1)  # fmt: skip
        second = np.sort(gaps, axis=-1)[:, 1]
        return (0.62 + 0.38 * (1 - np.exp(-second / 0.7))).astype(np.float32)
