"""Skies: a gradient from horizon to zenith, a sun or moon with its glow, clouds and stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yt360.scenes.video.textures import Array, cell_hash, mix, noise, rgb, smoothstep


@dataclass(frozen=True)
class Light:
    """A time of day.

    Attributes:
        zenith: Colour straight up.
        horizon: Colour at the horizon, also of haze over far things.
        glow: Colour around the sun or moon.
        cloud: Colour of clouds.
        ambient: Factor on the colours of everything that the light falls on.
        glow_strength: Strength of the glow, 0 to 1.
        stars: Brightness of stars, 0 to 1.
    """

    zenith: Array
    horizon: Array
    glow: Array
    cloud: Array
    ambient: Array
    glow_strength: float
    stars: float = 0.0


LIGHTS = {
    "day": Light(
        rgb(0.16, 0.42, 0.82), rgb(0.74, 0.88, 0.97), rgb(1.0, 0.97, 0.85), rgb(1.0, 1.0, 1.0),
        rgb(1.0, 1.0, 0.98), 0.75,
    ),
    "golden": Light(
        rgb(0.28, 0.46, 0.74), rgb(1.0, 0.78, 0.5), rgb(1.0, 0.78, 0.38), rgb(1.0, 0.86, 0.74),
        rgb(1.0, 0.87, 0.7), 0.95,
    ),
    "dusk": Light(
        rgb(0.17, 0.14, 0.4), rgb(0.93, 0.5, 0.52), rgb(1.0, 0.58, 0.4), rgb(0.72, 0.42, 0.58),
        rgb(0.72, 0.58, 0.7), 0.9, 0.35,
    ),
    "night": Light(
        rgb(0.03, 0.05, 0.15), rgb(0.14, 0.22, 0.38), rgb(0.8, 0.87, 1.0), rgb(0.2, 0.26, 0.4),
        rgb(0.4, 0.47, 0.66), 0.6, 1.0,
    ),
    "overcast": Light(
        rgb(0.46, 0.54, 0.6), rgb(0.82, 0.86, 0.87), rgb(0.95, 0.96, 0.96), rgb(0.94, 0.95, 0.96),
        rgb(0.86, 0.9, 0.92), 0.35,
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sky:
    """The sky of one place.

    Attributes:
        light: Time of day.
        sun: (3,) direction of the sun or moon.
        cloudiness: Fraction of the sky that clouds cover, about 0 to 1.
        cloud_scale: Size of clouds.
        offset: (2,) offset of the clouds in the noise.
        salt: Seed of the stars.
    """

    light: Light
    sun: Array
    cloudiness: float
    cloud_scale: float
    offset: Array
    salt: int

    def paint(self, directions: Array, pixel: float) -> Array:
        """Return colours (n, 3) of directions (n, 3) above the horizon; `pixel` is its angle."""
        light, z = self.light, np.maximum(directions[:, 2], 0)
        colour = mix(light.horizon, light.zenith, np.sqrt(z) * (1.25 - np.float32(0.25) * z))
        if light.stars:
            colour += self._stars(directions, pixel)[:, None]
        near_sun = directions @ self.sun
        glow = np.exp((near_sun - 1) * 7) * 0.7 + np.exp((near_sun - 1) * 60) * 0.5
        colour = mix(colour, light.glow, np.clip(glow * np.float32(light.glow_strength), 0, 1))
        edge = np.cos(0.055)
        disc = smoothstep(edge - 0.06 * pixel, edge + 0.06 * pixel + 1e-4, near_sun)
        colour = mix(colour, np.minimum(light.glow * 1.15, 1), disc)
        return self._clouds(colour, directions, near_sun)

    def _clouds(self, colour: Array, directions: Array, near_sun: Array) -> Array:
        z = np.maximum(directions[:, 2], 0)
        scale = np.float32(self.cloud_scale) / (z + np.float32(0.16))
        u = directions[:, 0] * scale + self.offset[0]
        v = directions[:, 1] * scale + self.offset[1]
        density = noise(u, v)
        bound = 1.3 - 2.1 * self.cloudiness
        cover = smoothstep(bound, bound + 1.1, density) * smoothstep(0.0, 0.22, z)
        # The side towards the sun is brighter.
        shift = np.float32(0.012)
        lit = density - noise(u + self.sun[0] * shift, v + self.sun[1] * shift)
        tone = np.clip(0.9 + 0.28 * lit + 0.08 * near_sun, 0.6, 1.15)
        return mix(colour, np.minimum(self.light.cloud * tone[:, None], 1), 0.9 * cover)

    def _stars(self, directions: Array, pixel: float) -> Array:
        cells = 22
        place = directions * np.float32(cells)
        cell = np.floor(place)
        layer = cell[:, 2] * 64
        strength = cell_hash(cell[:, 0], cell[:, 1] + layer * 64, self.salt)
        inside = [
            cell_hash(cell[:, 0], cell[:, 1] + layer * 64, self.salt + 1 + axis) * 0.6 + 0.2
            for axis in range(3)
        ]
        centre = cell + np.stack(inside, -1)
        centre /= np.linalg.norm(centre, axis=-1, keepdims=True)
        distance = np.linalg.norm(directions - centre, axis=-1)
        radius = max(0.0022, 0.6 * pixel)
        star = np.clip((strength - 0.72) * 4, 0, 1) * np.exp(-np.square(distance / radius))
        dim = np.float32(min(1.0, (0.004 / radius) ** 2) * self.light.stars)
        return star * dim * smoothstep(0.02, 0.3, directions[:, 2])
