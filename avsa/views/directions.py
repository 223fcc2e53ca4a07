"""Sample the directions of the K views of a clip.

A sampler draws candidates. Views are placed one after another, each at the first candidate that is
far enough from the views already placed. Some samplers follow a saliency map
(`avsa.views.saliency`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from yt360.errors import UserError
from yt360.randomness import keyed_generator

Sampler = Literal["uniform", "horizon", "grid", "energy", "motion", "labels"]
Spacing = Literal["area", "angle"]
Directions = NDArray[np.float64]
Candidates = Callable[[int], Directions]  # returns (count, 3)

SALIENCY_SAMPLERS: frozenset[Sampler] = frozenset({"energy", "motion", "labels"})
MAX_CANDIDATES = 64
ATTEMPTS = 2000
# Successful placements out of `CHECK_ATTEMPTS` that a check requires. Even at half this success
# rate, fewer than one in 1e11 samples would fail all `ATTEMPTS`.
CHECK_ATTEMPTS, CHECK_SUCCESSES = 200, 5


@dataclass(frozen=True)
class Band:
    """The range of elevations of views.

    Attributes:
        low: Minimum elevation in radians.
        high: Maximum elevation in radians.
        spacing: Distribution of elevations: ``area`` makes directions uniform on the sphere,
            ``angle`` makes elevations uniform, which favours the poles.
    """

    low: float
    high: float
    spacing: Spacing = "area"

    def draw_heights(self, generator: np.random.Generator, count: int) -> Directions:
        """Return the sines of `count` elevations."""
        # Area on the sphere is proportional to the sine of the elevation.
        low, high = self.low, self.high
        if self.spacing == "area":
            low, high = math.sin(low), math.sin(high)
        drawn = generator.uniform(-1.0, 1.0, count) * ((high - low) / 2) + (high + low) / 2
        return drawn if self.spacing == "area" else np.sin(drawn)


def uniform(generator: np.random.Generator, count: int, band: Band) -> Directions:
    """Sample `count` directions (count, 3) within a band, uniform in azimuth."""
    azimuth = generator.uniform(-math.pi, math.pi, count)
    return _from_height(azimuth, band.draw_heights(generator, count))


def horizon(generator: np.random.Generator, count: int) -> Directions:
    """Sample `count` directions (count, 3), uniform on the horizon."""
    return _from_height(generator.uniform(-math.pi, math.pi, count), np.zeros(count))


def grid(num_views: int) -> Directions:
    """Return `num_views` directions (num_views, 3), evenly spaced on the horizon from the front."""
    azimuth = np.linspace(0, 2 * math.pi, num_views, endpoint=False)
    return _from_height(azimuth, np.zeros(num_views))


def follow_saliency(
    generator: np.random.Generator, count: int, saliency: Directions, band: Band
) -> Directions:
    """Sample `count` directions (count, 3) with a density proportional to a saliency map.

    Args:
        generator: Random generator.
        count: Number of directions.
        saliency: (H, W) equirectangular, non-negative; if all zero, directions are uniform.
        band: Range of elevations; rows with centres outside it are excluded.
    """
    rows, columns = saliency.shape
    elevation = (0.5 - (np.arange(rows) + 0.5) / rows) * math.pi
    inside = (band.low <= elevation) & (elevation <= band.high)
    area = np.where(inside, np.cos(elevation), 0.0)[:, None]
    density = saliency * area
    if not density.any():
        return uniform(generator, count, band)
    pixel = generator.choice(density.size, count, p=density.ravel() / density.sum())
    row, column = np.divmod(pixel, columns)
    row, column = row + generator.random(count), column + generator.random(count)
    elevation = np.clip((0.5 - row / rows) * math.pi, band.low, band.high)
    return _from_height((0.5 - column / columns) * 2 * math.pi, np.sin(elevation))


def place(samplers: list[Candidates], min_separation: float) -> Directions | None:
    """Place one view per sampler at its first candidate that is far enough from the other views.

    Args:
        samplers: For each view, a function that returns candidates.
        min_separation: Minimum angle between two views in radians.

    Returns:
        (K, 3), or None if a view could not be placed.
    """
    placed = np.zeros((0, 3))
    limit = math.cos(min_separation)
    for sampler in samplers:
        # Most views need few candidates.
        for count in (4, MAX_CANDIDATES):
            candidates = sampler(count)
            free = np.flatnonzero((candidates @ placed.T <= limit).all(1))
            if len(free):
                break
        else:
            return None
        placed = np.concatenate([placed, candidates[free[:1]]])
    return placed


def sample_directions(
    sampler: Sampler,
    num_views: int,
    generator: np.random.Generator,
    *,
    min_separation: float,
    band: Band,
    saliency: Directions | None = None,
    saliency_fraction: float = 0.0,
) -> Directions:
    """Sample the directions (K, 3) of the views of a clip; angles in radians.

    Args:
        sampler: Name of the sampler.
        num_views: Number of views (K).
        generator: Random generator.
        min_separation: Minimum angle between two views.
        band: Range of elevations.
        saliency: (H, W) saliency map, for samplers that follow one.
        saliency_fraction: Fraction of views that follow the map. A view that does not fit into the
            map is drawn uniformly.

    Raises:
        UserError: No placement was found.
        ValueError: The sampler needs a saliency map.
    """
    if sampler == "grid":
        return grid(num_views)
    if sampler in SALIENCY_SAMPLERS and saliency is None:
        raise ValueError(f"sampler {sampler!r} needs a map (`avsa.views.saliency`)")

    def free(count: int) -> Directions:
        return _without_saliency(sampler, generator, count, band)

    def follow(count: int) -> Directions:
        assert saliency is not None
        return np.concatenate([follow_saliency(generator, count, saliency, band), free(count)])

    for _ in range(ATTEMPTS):
        follows = generator.random(num_views) < (
            saliency_fraction if sampler in SALIENCY_SAMPLERS else 0.0
        )
        placed = place([follow if each else free for each in follows], min_separation)
        if placed is not None:
            return placed
    raise _too_many(num_views, min_separation, band, "fewer")


def check_placeable(sampler: Sampler, num_views: int, min_separation: float, band: Band) -> None:
    """Check that `sample_directions` can place all views; angles in radians.

    Raises:
        UserError: The views do not fit; the message states how many do.
    """
    if sampler == "grid":
        alone = num_views == 1 or min_separation == 0
        most = num_views if alone else math.floor(2 * math.pi / min_separation + 1e-9)
    else:
        most = _most_placeable(sampler, num_views, min_separation, band)
    if num_views > most:
        raise _too_many(num_views, min_separation, band, f"at most {most}")


def _without_saliency(
    sampler: Sampler, generator: np.random.Generator, count: int, band: Band
) -> Directions:
    if sampler == "horizon":
        return horizon(generator, count)
    return uniform(generator, count, band)


def _most_placeable(sampler: Sampler, num_views: int, min_separation: float, band: Band) -> int:
    def succeeds(count: int) -> bool:
        # A new generator makes the result independent of earlier calls.
        generator = keyed_generator("placeable", count)

        def candidates(number: int) -> Directions:
            return _without_saliency(sampler, generator, number, band)

        attempts = (place([candidates] * count, min_separation) for _ in range(CHECK_ATTEMPTS))
        placed = (found for found in attempts if found is not None)
        return len(list(islice(placed, CHECK_SUCCESSES))) == CHECK_SUCCESSES

    # Upper bound: spherical caps with a radius of half the separation must not overlap.
    cap_area = 1 - math.cos(min_separation / 2) if min_separation > 0 else 0.0
    if num_views * cap_area <= 2 and succeeds(num_views):
        return num_views
    most = 1
    while succeeds(most + 1):
        most += 1
    return most


def _too_many(num_views: int, separation: float, band: Band, how_many: str) -> UserError:
    low, high = (f"{math.degrees(bound):g}°" for bound in (band.low, band.high))
    return UserError(
        f"{num_views} views at least {math.degrees(separation):g}° apart between {low} and {high} "
        f"of elevation cannot be placed; set views.num_views to {how_many}, or a smaller "
        "views.min_separation_deg",
        code="out-of-range",
        key="views.num_views",
    )


def _from_height(azimuth: Directions, height: Directions) -> Directions:
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), height], -1)
