"""Grounds: patterns on a plane below the camera that fade into haze towards the horizon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yt360.scenes.video.skies import Light
from yt360.scenes.video.textures import Array, cell_hash, mix, noise, rgb, smoothstep

EYE_HEIGHT_M = 1.6


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground of one place.

    Attributes:
        kind: A key of `PAINTERS`.
        light: Time of day.
        turn: Direction of its pattern, radians.
        scale: Size of its pattern, about 1.
        offset: (2,) position of the camera in the pattern, metres.
        salt: Seed of the random details.
    """

    kind: str
    light: Light
    turn: float
    scale: float
    offset: Array
    salt: int

    def paint(self, directions: Array, pixel: float) -> Array:
        """Return colours (n, 3) of directions (n, 3) below the horizon; `pixel` is its angle."""
        drop = np.maximum(-directions[:, 2], 1e-4)
        plane = directions[:, :2] * (np.float32(EYE_HEIGHT_M) / drop)[:, None]
        distance = np.hypot(plane[:, 0], plane[:, 1])
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        u = (cos * plane[:, 0] + sin * plane[:, 1]) / np.float32(self.scale) + self.offset[0]
        v = (cos * plane[:, 1] - sin * plane[:, 0]) / np.float32(self.scale) + self.offset[1]
        # Metres of ground per pixel along the line of sight, where a pixel covers most.
        span = pixel * (EYE_HEIGHT_M + distance**2 / EYE_HEIGHT_M) / np.float32(self.scale)
        colour = PAINTERS[self.kind](Spot(u, v, span, distance, self.salt))
        colour = colour * self.light.ambient
        haze = 1 - np.exp(-distance / np.float32(HAZE_M.get(self.kind, 55.0)))
        return mix(colour, self.light.horizon * np.float32(0.94), np.float32(0.85) * haze)


@dataclass(frozen=True)
class Spot:
    """Points of the ground: position u, v and span of a pixel in pattern metres; distance in m."""

    u: Array
    v: Array
    span: Array
    distance: Array
    salt: int

    def fade(self, detail_m: float) -> Array:
        """Return the visibility (n,) of a detail of this size: 1 if resolved, 0 if blurred."""
        return 1 / (1 + np.square(self.span * np.float32(1.6 / detail_m)))

    def line(self, position: Array, width_m: float) -> Array:
        """Return the cover (n,) of lines at whole numbers of `position`, blurred by the pixel."""
        from_line = np.abs(position - np.round(position))
        soft = self.span + np.float32(0.01)
        cover = np.clip((np.float32(width_m / 2) - from_line) / soft + 0.5, 0, 1)
        return cover * np.minimum(1, np.float32(width_m) / soft + 0.1)


def _grass(spot: Spot) -> Array:
    stripe = np.sin(spot.u * np.float32(np.pi / 1.3))
    stripe = np.clip(stripe * 4, -1, 1) * spot.fade(1.3)
    tuft = noise(spot.u * 0.11, spot.v * 0.11) * spot.fade(0.25)
    patch = noise(spot.u * 0.012, spot.v * 0.012)
    tone = 0.5 + 0.22 * stripe + 0.12 * tuft + 0.12 * patch
    colour = mix(rgb(0.2, 0.45, 0.13), rgb(0.55, 0.76, 0.26), np.clip(tone, 0, 1))
    return _flowers(spot, colour)


def _flowers(spot: Spot, colour: Array) -> Array:
    u, v = spot.u * np.float32(2.0), spot.v * np.float32(2.0)
    cell_u, cell_v = np.floor(u), np.floor(v)
    chance = cell_hash(cell_u, cell_v, spot.salt)
    shift = 0.5 + 0.5 * (cell_hash(cell_u, cell_v, spot.salt + 1) - 0.5)
    off = np.hypot(u - cell_u - shift, v - cell_v - 1 + shift)
    bloom = np.clip((np.float32(0.08) - off) / (1.4 * spot.span + 0.01) + 0.5, 0, 1)
    bloom *= (chance < 0.2) * spot.fade(0.3)
    kind = (chance < 0.1).astype(np.float32)[:, None]
    petals = rgb(1.0, 0.95, 0.9) * kind + rgb(1.0, 0.82, 0.2) * (1 - kind)
    return mix(colour, petals, bloom)


def _sand(spot: Spot) -> Array:
    warp = noise(spot.u * 0.02, spot.v * 0.02)
    phase = spot.u * np.float32(2 * np.pi / 0.75) + 2.2 * warp
    ripple = np.sin(phase + 0.5 * np.sin(phase)) * spot.fade(0.75)
    grain = noise(spot.u * 0.3, spot.v * 0.3) * spot.fade(0.12)
    dune = noise(spot.u * 0.006, spot.v * 0.006)
    tone = 0.55 + 0.17 * ripple + 0.05 * grain + 0.17 * dune
    return mix(rgb(0.72, 0.46, 0.24), rgb(0.98, 0.84, 0.58), np.clip(tone, 0, 1))


def _snow(spot: Spot) -> Array:
    drift = noise(spot.u * 0.02, spot.v * 0.035)
    soft = noise(spot.u * 0.1, spot.v * 0.16) * spot.fade(0.3)
    tone = np.clip(0.62 + 0.17 * drift + 0.11 * soft, 0, 1)
    return mix(rgb(0.58, 0.69, 0.84), rgb(0.97, 0.98, 1.0), tone)


def _pavement(spot: Spot) -> Array:
    u, v = spot.u / np.float32(1.1), spot.v / np.float32(1.1)
    cell_u, cell_v = np.floor(u), np.floor(v)
    checker = np.mod(cell_u + cell_v, 2) - 0.5
    tone = 0.5 + (0.36 * checker + 0.3 * (cell_hash(cell_u, cell_v, spot.salt) - 0.5)) * spot.fade(
        1.1
    )
    tone += 0.05 * noise(spot.u * 0.2, spot.v * 0.2) * spot.fade(0.15)
    colour = mix(rgb(0.5, 0.47, 0.46), rgb(0.86, 0.82, 0.76), np.clip(tone, 0, 1))
    joint = np.maximum(spot.line(u, 0.05), spot.line(v, 0.05))
    return mix(colour, rgb(0.3, 0.29, 0.3), 0.8 * joint)


def _sea(spot: Spot) -> Array:
    warp = noise(spot.u * 0.015, spot.v * 0.015)
    swell = np.sin(spot.u * 2.1 + 2.5 * warp) * spot.fade(3.0)
    chop = noise(spot.u * 0.13, spot.v * 0.3) * spot.fade(0.4)
    far = smoothstep(2.0, 40.0, spot.distance)
    colour = mix(rgb(0.04, 0.36, 0.48), rgb(0.13, 0.5, 0.68), far)
    tone = 0.16 * swell + 0.2 * chop + 0.1 * warp
    colour = mix(colour, rgb(0.45, 0.85, 0.88), np.clip(tone, 0, 0.6))
    colour = mix(colour, rgb(0.02, 0.22, 0.36), np.clip(-tone, 0, 0.6))
    foam = smoothstep(1.9, 2.9, chop + 0.9 * swell)
    return mix(colour, rgb(0.95, 1.0, 1.0), 0.7 * foam)


PAINTERS: dict[str, Callable[[Spot], Array]] = {
    "grass": _grass,
    "sand": _sand,
    "snow": _snow,
    "pavement": _pavement,
    "sea": _sea,
}
HAZE_M = {"sea": 90.0, "sand": 70.0}
