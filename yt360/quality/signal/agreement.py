"""Compare the directions of the sound of a recording with the motion in its video.

Shapes: N moments, each a frame triplet with one band of the audio around it. Directions are unit
vectors (x front, y left, z up). A density on the sphere has the mean 1: its value is the
likelihood of a direction relative to a uniform distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.quality.signal import sphere_maps
from yt360.quality.signal.channel_changes import ChannelChange

Array = NDArray[np.float64]


def motion_energy(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the motion (H, W) in three frames (3, H, W) in gray levels.

    It is the geometric mean of the two changes. Objects that move change both times; an encoder
    that refines its picture once changes it once.
    """
    first, second = np.abs(np.diff(frames, axis=0))
    return np.asarray(np.sqrt(first * second))


def independent_directions(
    directions: Array, weights: Array | None = None, width: float = np.radians(12.0)
) -> float:
    """Return the effective number of directions, if those closer than `width` are one.

    Args:
        directions: Unit vectors (N, 3).
        weights: (N,) with the sum 1; equal by default.
        width: Angle in radians.
    """
    each = np.full(len(directions), 1 / len(directions)) if weights is None else weights
    cosine = np.clip(directions @ directions.T, -1, 1)
    same = np.exp(-0.5 * (np.arccos(cosine) / width) ** 2)
    return float(1 / (each @ same @ each))


@dataclass(frozen=True, kw_only=True)
class MotionModel:
    """How motion becomes a density of sound sources.

    Attributes:
        noise: Motion in gray levels that is coding noise.
        common: Fraction of the sphere whose motion is regarded as that of camera and light.
        usual: Fraction of the sphere whose motion relative to its own mean is regarded as usual.
        new_from, new_full: Ratio (natural logarithm) of a cell's motion to its mean from which
            new motion counts, and at which it counts fully.
        new_fraction: Largest part of the density that is due to new motion.
        width: Spread of directions around a moving object in radians.
    """

    noise: float
    common: float
    usual: float
    new_from: float
    new_full: float
    new_fraction: float
    width: float

    def densities(self, energy: Array, parts: Array) -> Array:
        """Return the densities of sources (N, ROWS, COLUMNS).

        One half is where there is more motion than in the rest of the picture; the more of the
        picture moves, the less this tells. The other half is where there is more motion than at
        other times, such as where a vehicle is now, even before trees that always move.

        Args:
            energy: Mean motion of each cell (N, ROWS, COLUMNS) in gray levels.
            parts: Number (N,) of the part of the recording of each moment.
        """
        above = np.maximum(energy - self.noise, 0)
        level = np.log1p(above)
        moving = sphere_maps.mean((above > self.noise).astype(float))[:, None, None]
        common = sphere_maps.quantile(level, self.common)[:, None, None]
        lasting = sphere_maps.density(np.maximum(level - common, 0))
        change = np.empty_like(level)
        for part in np.unique(parts):
            change[parts == part] = level[parts == part] - np.log1p(above[parts == part].mean(0))
        usual = np.maximum(sphere_maps.quantile(change, self.usual), 0)[:, None, None]
        new = np.maximum(change - usual, 0)
        peak = (new.max(axis=(1, 2), keepdims=True) - self.new_from) / self.new_full
        share = self.new_fraction * np.clip(peak, 0, 1)
        mixed = (1 - share) * ((1 - moving) * lasting + moving)
        # Squared, because a vehicle is a small part of what changes in a windy landscape.
        return sphere_maps.smoothed(mixed + share * sphere_maps.density(new**2), self.width)


@dataclass(frozen=True, kw_only=True)
class SourceModel:
    """How likely sources are in the directions of a picture.

    Attributes:
        visible: Probability that a source is where the picture moves.
        elevation, spread: Mean and standard deviation of the elevations of sources in radians.
        anywhere: Fraction of sources at any elevation.
    """

    visible: float
    elevation: float
    spread: float
    anywhere: float

    def by_elevation(self, elevation: Array) -> Array:
        """Return the density of sources at an elevation, whatever the picture shows."""

        def bell(angle: Array) -> Array:
            return np.asarray(np.exp(-0.5 * ((angle - self.elevation) / self.spread) ** 2))

        rows = sphere_maps.ELEVATIONS
        scale = float((bell(rows) * np.cos(rows)).sum() / np.cos(rows).sum())
        return self.anywhere + (1 - self.anywhere) * bell(elevation) / scale

    def log_density(self, densities: Array, azimuth: Array, elevation: Array | None) -> Array:
        """Return the logarithms (..., N) of the densities of sources in directions.

        Args:
            densities: Of motion (N, ROWS, COLUMNS).
            azimuth: (..., N) in radians.
            elevation: (..., N) in radians; None if the audio has no vertical part.
        """
        usual: Array | float = 0.0
        if elevation is not None:
            usual = np.log(self.by_elevation(elevation))
        else:
            rows = sphere_maps.ELEVATIONS
            weight = self.by_elevation(rows) * np.cos(rows)
            around = np.einsum("r,nrc->nc", weight / weight.sum(), densities)
            densities = np.broadcast_to(around[:, None], densities.shape)
            elevation = np.zeros_like(azimuth)
        moving = sphere_maps.values_at(densities, azimuth, elevation)
        return np.asarray(np.log(self.visible * moving + 1 - self.visible) + usual)


@dataclass(frozen=True)
class Moments:
    """Directions of arrival and densities of motion.

    Attributes:
        directions: Unit vectors (N, 3).
        weights: (N,), sum 1.
        densities: (N, ROWS, COLUMNS).
        silent_axes: (3,) whether X, Y, Z are silent throughout.
    """

    directions: Array
    weights: Array
    densities: Array
    silent_axes: NDArray[np.bool_]

    def fit(self, change: ChannelChange, model: SourceModel) -> float:
        """Return the mean logarithm of the density of sources if the channels are changed."""
        true = self.directions @ change.matrix.T
        is_flat = bool((np.abs(change.matrix) @ self.silent_axes)[2] > 0)
        azimuth = np.arctan2(true[:, 1], true[:, 0])
        elevation = None if is_flat else np.arcsin(np.clip(true[:, 2], -1, 1))
        return float(model.log_density(self.densities, azimuth, elevation) @ self.weights)

    def turned_fits(self, model: SourceModel) -> Array:
        """Return the fit (COLUMNS,) of the sound turned to the left by each multiple of 5°."""
        turns = 2 * np.pi * np.arange(sphere_maps.COLUMNS) / sphere_maps.COLUMNS
        azimuth = np.arctan2(self.directions[:, 1], self.directions[:, 0]) + turns[:, None]
        elevation = None
        if not self.silent_axes[2]:
            level = np.arcsin(np.clip(self.directions[:, 2], -1, 1))
            elevation = np.broadcast_to(level, azimuth.shape)
        return np.asarray(model.log_density(self.densities, azimuth, elevation) @ self.weights)
