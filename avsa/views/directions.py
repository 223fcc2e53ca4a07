"""Place the K views of each clip of a batch.

A sampler draws candidates. The views of a clip are placed one after another, each at the first
candidate that is far enough from the views already placed. The clips of a batch advance together,
view by view. Some samplers follow a saliency map (`avsa.views.saliency`).

Random numbers depend on the position of a clip in the training order
(`yt360.randomness.keyed_uniform`), so a clip alone has the directions that it has in a batch, to
the bit.

Shapes: B clips, K views, N candidates of a view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsa.views.candidates import (
    Band,
    Floats,
    Rows,
    SaliencyDensity,
    grid_directions,
    horizon_directions,
    uniform_directions,
)
from yt360.errors import UserError
from yt360.randomness import keyed_uniform

Sampler = Literal["uniform", "horizon", "grid", "energy", "motion", "labels"]
Key = tuple[int | str, ...]
# Returns candidates (b, k, N, 3) for b of the clips and k of their views; the last argument is the
# number of draws of a view.
Candidates = Callable[[Rows, range, int], Floats]

SALIENCY_SAMPLERS: frozenset[Sampler] = frozenset({"energy", "motion", "labels"})
# Draws of each view, and of a view for which those do not suffice.
FEW_DRAWS, MANY_DRAWS = 4, 64
ATTEMPTS = 2000
# Successful placements out of `CHECK_ATTEMPTS` that a check requires. Even at half this success
# rate, fewer than one in 1e11 samples would fail all `ATTEMPTS`.
CHECK_ATTEMPTS, CHECK_SUCCESSES = 200, 5


def sample_directions(
    sampler: Sampler,
    num_views: int,
    key: Key,
    positions: Sequence[int] | Rows,
    *,
    min_separation: float,
    band: Band,
    saliency: Floats | None = None,
    saliency_fraction: float = 0.0,
) -> Floats:
    """Sample the directions (B, K, 3) of the views of clips; angles in radians.

    Args:
        sampler: Name of the sampler.
        num_views: Number of views (K).
        key: Key of the random numbers.
        positions: Position of each clip in the training order (B,). The directions of a clip depend
            on the key, its position and its map.
        min_separation: Minimum angle between two views.
        band: Range of elevations.
        saliency: (B, H, W) saliency maps, for samplers that follow one.
        saliency_fraction: Fraction of views that follow the map. A view that does not fit into the
            map is drawn uniformly.

    Raises:
        UserError: No placement was found.
        ValueError: The sampler needs a saliency map.
    """
    positions = np.asarray(positions, dtype=np.int64)
    placed = np.empty((len(positions), num_views, 3))
    if sampler == "grid":
        placed[:] = grid_directions(num_views)
        return placed
    density = None
    if sampler in SALIENCY_SAMPLERS:
        if saliency is None:
            raise ValueError(f"sampler {sampler!r} needs a map (`avsa.views.saliency`)")
        density = SaliencyDensity(saliency, band)
    left = np.arange(len(positions))
    for attempt in range(ATTEMPTS):
        draws = _Draws(sampler, band, (*key, attempt), positions[left])
        candidates: Candidates = draws.free
        if density is not None:
            candidates = _Following(draws, density, left, saliency_fraction).candidates
        drawn, complete = place(len(left), num_views, min_separation, candidates)
        placed[left[complete]] = drawn[complete]
        left = left[~complete]
        if not len(left):
            return placed
    raise _too_many(num_views, min_separation, band, "fewer")


def place(
    clips: int, num_views: int, min_separation: float, candidates: Candidates
) -> tuple[Floats, NDArray[np.bool_]]:
    """Place each view at its first candidate that is far enough from the clip's other views.

    Args:
        clips: Number of clips (B).
        num_views: Number of views of a clip (K).
        min_separation: Minimum angle between two views in radians.
        candidates: Draws candidates.

    Returns:
        Directions (B, K, 3), and whether all views of a clip were placed (B,).
    """
    every, limit = np.arange(clips), math.cos(min_separation)
    anywhere = num_views == 1 or min_separation == 0
    few = candidates(every, range(num_views), 1 if anywhere else FEW_DRAWS)
    placed, complete = few[:, :, 0].copy(), np.ones(clips, dtype=bool)
    for view in range(1, 1 if anywhere else num_views):
        placed[:, view], found = _first_free(few[:, view], placed[:, :view], limit)
        stuck = np.flatnonzero(complete & ~found)
        if len(stuck):
            many = candidates(stuck, range(view, view + 1), MANY_DRAWS)[:, 0]
            placed[stuck, view], complete[stuck] = _first_free(many, placed[stuck, :view], limit)
    return placed, complete


def _first_free(
    candidates: Floats, placed: Floats, limit: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the first of candidates (B, N, 3) away from (B, k, 3), and whether there is one."""
    x, y, z = (candidates[:, :, None, axis] * placed[:, None, :, axis] for axis in range(3))
    free = np.logical_and.reduce(x + y + z <= limit, -1)
    first = free.argmax(1)
    clips = np.arange(len(candidates))
    return candidates[clips, first], free[clips, first]


@dataclass(frozen=True)
class _Draws:
    """Candidates of an attempt to place the views of some clips.

    Attributes:
        sampler: Name of the sampler.
        band: Range of elevations.
        key: Key of the attempt.
        positions: Position of each clip in the training order (b,).
    """

    sampler: Sampler
    band: Band
    key: Key
    positions: Rows

    def free(self, clips: Rows, views: range, draws: int) -> Floats:
        """Return a candidate for each draw, independent of any map."""
        numbers = self.numbers("free", clips, views, draws, 2)
        if self.sampler == "horizon":
            return horizon_directions(numbers[..., 0])
        return uniform_directions(numbers, self.band)

    def numbers(self, name: str, clips: Rows, views: range, draws: int, size: int) -> Floats:
        """Return uniform numbers (b, k, draws, size)."""
        shape = (len(clips), len(views), draws, size)
        count = math.prod(shape[1:])
        positions = self.positions[clips]
        drawn = keyed_uniform(*self.key, name, views.start, draws, positions=positions, count=count)
        return drawn.reshape(shape)


@dataclass(frozen=True)
class _Following:
    """Candidates of which a fraction of the views follows saliency maps.

    Attributes:
        draws: Candidates independent of the maps.
        density: The maps of the batch.
        rows: Row of each clip in the batch (b,).
        fraction: Fraction of views that follow the map.
    """

    draws: _Draws
    density: SaliencyDensity
    rows: Rows
    fraction: float

    def candidates(self, clips: Rows, views: range, draws: int) -> Floats:
        """Return two candidates for each draw: all that follow the map, then the free ones."""
        free = self.draws.free(clips, views, draws)
        numbers = self.draws.numbers("saliency", clips, views, draws, 3)
        followed = self.density.directions(self.rows[clips], numbers, free)
        # Whether a view follows the map is the same for all its draws.
        drawn = keyed_uniform(
            *self.draws.key, "follow", positions=self.draws.positions[clips], count=views.stop
        )
        follows = (drawn[:, views.start :] < self.fraction)[..., None, None]
        return np.concatenate([np.where(follows, followed, free), free], 2)


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


def _most_placeable(sampler: Sampler, num_views: int, min_separation: float, band: Band) -> int:
    def succeeds(count: int) -> bool:
        successes = 0
        for attempts in np.arange(CHECK_ATTEMPTS).reshape(-1, 4 * CHECK_SUCCESSES):
            draws = _Draws(sampler, band, ("placeable", count), attempts)
            successes += int(place(len(attempts), count, min_separation, draws.free)[1].sum())
            if successes >= CHECK_SUCCESSES:
                return True
        return False

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
