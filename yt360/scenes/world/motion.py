"""How objects move over the sphere: smooth paths with a closed form at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class Motion(Protocol):
    """A path over the sphere."""

    def angles(self, times: Array) -> tuple[Array, Array]:
        """Return azimuth (not wrapped) and elevation in radians at `times` in seconds."""
        ...


@dataclass(frozen=True)
class Wander:
    """A Lissajous-like path: a steady turn plus a swing in azimuth and one in elevation.

    Without turn and swings the object stands still. Angles in radians, rates in rad/s, swing
    frequencies in Hz.
    """

    azimuth: float
    elevation: float
    turn: float = 0.0
    azimuth_swing: float = 0.0
    azimuth_hz: float = 0.0
    azimuth_phase: float = 0.0
    elevation_swing: float = 0.0
    elevation_hz: float = 0.0
    elevation_phase: float = 0.0

    def angles(self, times: Array) -> tuple[Array, Array]:
        """See `Motion.angles`."""
        times = np.asarray(times, dtype=np.float64)
        swing = np.sin(2 * np.pi * self.azimuth_hz * times + self.azimuth_phase)
        heave = np.sin(2 * np.pi * self.elevation_hz * times + self.elevation_phase)
        return (
            self.azimuth + self.turn * times + self.azimuth_swing * swing,
            self.elevation + self.elevation_swing * heave,
        )


@dataclass(frozen=True)
class Orbit:
    """Steady motion along a great circle.

    Attributes:
        azimuth: Where the circle rises through the horizon, radians.
        inclination: Its highest elevation, radians, in (-pi/2, pi/2).
        phase: Position on the circle at time 0, radians from the rising point.
        rate: Speed, rad/s; its sign is the direction.
    """

    azimuth: float
    inclination: float
    phase: float
    rate: float

    def angles(self, times: Array) -> tuple[Array, Array]:
        """See `Motion.angles`."""
        along = self.phase + self.rate * np.asarray(times, dtype=np.float64)
        turns = 2 * np.pi * np.round(along / (2 * np.pi))
        across = np.arctan2(np.sin(along) * np.cos(self.inclination), np.cos(along))
        return self.azimuth + turns + across, np.arcsin(np.sin(along) * np.sin(self.inclination))


class Axes(NamedTuple):
    """Orthonormal axes (T, 3) of an object, seen from the centre of the sphere."""

    forward: Array
    right: Array
    up: Array


def upright_axes(azimuth: Array, elevation: Array) -> Axes:
    """Return upright axes at given angles in radians; `forward` is the direction there."""
    cos_a, sin_a = np.cos(azimuth), np.sin(azimuth)
    cos_e, sin_e = np.cos(elevation), np.sin(elevation)
    return Axes(
        np.stack([cos_e * cos_a, cos_e * sin_a, sin_e], -1),
        np.stack([sin_a, -cos_a, np.zeros_like(sin_a)], -1),
        np.stack([-sin_e * cos_a, -sin_e * sin_a, cos_e], -1),
    )


def sample_motion(
    generator: np.random.Generator, max_elevation: float, max_speed: float, still_fraction: float
) -> Motion:
    """Sample a path within ±`max_elevation` radians and `max_speed` rad/s.

    An object stands still with probability `still_fraction`. A third of the others orbit along a
    great circle, the rest wander. Elevations are uniform in area.
    """
    azimuth = generator.uniform(-np.pi, np.pi)
    sign = generator.choice([-1.0, 1.0])
    elevation = _sample_elevation(generator, max_elevation)
    kind = generator.random()
    if kind < still_fraction or max_speed == 0:
        return Wander(azimuth, elevation)
    speed = max_speed * generator.uniform(0.4, 1.0)
    if kind < still_fraction + (1 - still_fraction) / 3:
        # An upright object must not pass through a pole, where "up" has no direction.
        inclination = min(abs(elevation), np.deg2rad(80))
        phase = generator.uniform(-np.pi, np.pi)
        return Orbit(azimuth, inclination, phase, sign * speed)
    # Three parts of the motion divide the speed, so their sum keeps the limit.
    parts = generator.dirichlet([2.0, 2.0, 2.0])
    azimuth_hz, elevation_hz = generator.uniform(0.06, 0.2, size=2)
    phases = generator.uniform(0, 2 * np.pi, size=2)
    heave = min(parts[2] * speed / (2 * np.pi * elevation_hz), 0.6 * max_elevation)
    return Wander(
        azimuth=azimuth,
        elevation=float(np.clip(elevation, heave - max_elevation, max_elevation - heave)),
        turn=sign * parts[0] * speed,
        azimuth_swing=parts[1] * speed / (2 * np.pi * azimuth_hz),
        azimuth_hz=azimuth_hz,
        azimuth_phase=phases[0],
        elevation_swing=heave,
        elevation_hz=elevation_hz,
        elevation_phase=phases[1],
    )


def _sample_elevation(generator: np.random.Generator, max_elevation: float) -> float:
    return float(np.arcsin(generator.uniform(-1, 1) * np.sin(max_elevation)))
