"""Places: the background of a scene, as the colour and the class of any direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.scenes.video import horizons
from yt360.scenes.video.grounds import Ground
from yt360.scenes.video.hall import Hall
from yt360.scenes.video.horizons import Ridge
from yt360.scenes.video.looks import shade_of
from yt360.scenes.video.skies import LIGHTS, Light, Sky
from yt360.scenes.video.textures import Array, rgb
from yt360.scenes.world.classes import STUFF
from yt360.scenes.world.parameters import PLACES

Generator = np.random.Generator
GROUND_OF = {"meadow": "grass", "desert": "sand", "snow": "snow", "city": "pavement", "sea": "sea"}
LAMPS = {
    "day": rgb(1.0, 1.0, 1.0), "golden": rgb(1.0, 0.9, 0.74), "dusk": rgb(0.88, 0.74, 0.78),
    "night": rgb(0.52, 0.5, 0.58), "overcast": rgb(0.86, 0.93, 0.95),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Landscape:
    """An outdoor backdrop: sky, ridges on the horizon (far ones first), ground."""

    sky: Sky
    ridges: tuple[Ridge, ...]
    ground: Ground

    def classes(self, directions: Array) -> NDArray[np.uint8]:
        """Return the class (n,) of the background in each direction (n, 3)."""
        names = [self.ground.kind, "sky", *(ridge.stuff for ridge in self.ridges)]
        numbers = np.array([STUFF[name] for name in names], dtype=np.uint8)
        return numbers[self._regions(directions)[0]]

    def paint(self, directions: Array, pixel: float) -> Array:
        """Return colours (n, 3) of directions (n, 3); `pixel` is the angle of a pixel."""
        regions, azimuth, elevation = self._regions(directions)
        colour = np.empty_like(directions)
        below, above = regions == 0, regions == 1
        colour[below] = self.ground.paint(directions[below], pixel)
        colour[above] = self.sky.paint(directions[above], pixel)
        light = self.sky.light
        for number, ridge in enumerate(self.ridges):
            here = regions == number + 2
            colour[here] = ridge.paint(azimuth[here], elevation[here], light, pixel)
        return colour

    def _regions(self, directions: Array) -> tuple[NDArray[np.int64], Array, Array]:
        """Return 0 for ground, 1 for sky, 2 + k for ridge k (n,), azimuth and elevation (n,)."""
        x, y, z = directions.T
        azimuth, elevation = np.arctan2(y, x), np.arcsin(np.clip(z, -1, 1))
        regions = (z >= 0).astype(np.int64)
        highest = max((float(ridge.heights.max()) for ridge in self.ridges), default=0.0)
        near = np.flatnonzero((z >= 0) & (elevation <= highest))
        for number, ridge in enumerate(self.ridges):
            inside = elevation[near] < ridge.height(azimuth[near])
            regions[near[inside]] = number + 2
        return regions, azimuth, elevation


@dataclass(frozen=True, eq=False)
class Place:
    """The background of a scene.

    Attributes:
        name: One of `PLACES`.
        light: A key of `LIGHTS`.
        mood: Hue of a tint over the whole background, in turns, [0, 1).
        backdrop: The landscape or the hall.
    """

    name: str
    light: str
    mood: float
    backdrop: Landscape | Hall

    @property
    def cue(self) -> tuple[float, float, float]:
        """Return three numbers in [0, 1) that describe the visible place."""
        lights = list(LIGHTS)
        return (
            PLACES.index(self.name) / len(PLACES),
            lights.index(self.light) / len(lights),
            self.mood,
        )

    @property
    def casts_shadows(self) -> bool:
        """Whether objects cast shadows on the ground (not on water)."""
        return self.name != "sea"

    def classes(self, directions: Array) -> NDArray[np.uint8]:
        """Return the panoptic class (...) of the background in directions (..., 3)."""
        flat = np.ascontiguousarray(directions, dtype=np.float32).reshape(-1, 3)
        return self.backdrop.classes(flat).reshape(directions.shape[:-1])

    def paint(self, directions: Array, pixel: float) -> Array:
        """Return colours (..., 3) in [0, 1] of directions (..., 3).

        Args:
            directions: Unit vectors.
            pixel: Angle of a pixel in radians: finer patterns fade.
        """
        flat = np.ascontiguousarray(directions, dtype=np.float32).reshape(-1, 3)
        tint = rgb(*shade_of(self.mood, 0.5, 1.0))
        grade = 1 + np.float32(0.3) * (tint / tint.mean() - 1)
        colour = np.clip(self.backdrop.paint(flat, pixel) * grade, 0, 1)
        return colour.reshape(directions.shape)


def sample_place(generator: Generator, name: str) -> Place:
    """Sample a place of a kind: a time of day, and hues, shapes and patterns."""
    light_name = str(generator.choice(list(LIGHTS)))
    mood = float(generator.random())
    backdrop: Landscape | Hall
    if name == "hall":
        backdrop = Hall(
            half_size_m=generator.uniform([3.5, 3.0], [6.0, 5.0]).astype(np.float32),
            ceiling_m=float(generator.uniform(1.6, 3.0)),
            hue=float(generator.random()),
            ambient=LAMPS[light_name],
            salt=int(generator.integers(2**20)),
        )
    else:
        backdrop = _sample_landscape(generator, name, LIGHTS[light_name])
    return Place(name, light_name, mood, backdrop)


def _sample_landscape(generator: Generator, name: str, light: Light) -> Landscape:
    height, azimuth = np.deg2rad(generator.uniform(12, 50)), generator.uniform(-np.pi, np.pi)
    sun = rgb(
        float(np.cos(height) * np.cos(azimuth)),
        float(np.cos(height) * np.sin(azimuth)),
        float(np.sin(height)),
    )
    sky = Sky(
        light=light,
        sun=sun,
        cloudiness=float(generator.uniform(0.15, 0.75)),
        cloud_scale=float(generator.uniform(0.08, 0.16)),
        offset=generator.random(2).astype(np.float32),
        salt=int(generator.integers(2**20)),
    )
    ground = Ground(
        kind=GROUND_OF[name],
        light=light,
        turn=float(generator.uniform(0, 2 * np.pi)),
        scale=float(generator.uniform(0.8, 1.35)),
        offset=generator.uniform(0, 80, size=2).astype(np.float32),
        salt=int(generator.integers(2**20)),
    )
    return Landscape(sky, _sample_ridges(generator, name), ground)


def _sample_ridges(generator: Generator, name: str) -> tuple[Ridge, ...]:
    size = generator.uniform(0.8, 1.25)
    if name == "meadow":
        return (
            horizons.mountains(generator, 0.3 * size, 0.6),
            horizons.hills(generator, 0.15 * size, 0.25),
            horizons.trees(generator, 0.16 * size, 0.08),
        )
    if name == "desert":
        return (
            horizons.mesas(generator, 0.24 * size, 0.45),
            horizons.mesas(generator, 0.13 * size, 0.15),
        )
    if name == "snow":
        return (
            horizons.mountains(generator, 0.45 * size, 0.35),
            horizons.trees(generator, 0.19 * size, 0.12),
        )
    if name == "city":
        return (
            horizons.buildings(generator, 0.55 * size, 0.5, 48),
            horizons.buildings(generator, 0.36 * size, 0.12, 30),
        )
    return (horizons.islands(generator, 0.2 * size, 0.5),)
