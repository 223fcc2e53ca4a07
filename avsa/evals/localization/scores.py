"""Metrics of localization: angles from peaks to sources, with intervals and chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from avsa.evals.bootstrap import Numbers, mean_metric, video_table
from avsa.evals.result import Metric, Row
from yt360.sphere import angle_between, direction

NO_PEAK_DEG = 90.0
"""Error of a map without a peak: the mean angle between a random direction and a source."""
FRONT = (1.0, 0.0, 0.0)
MODEL, CONTROLS = "model", ("silent", "swapped", "turned", "centre", "energy")
"""Names of the map of the model, and of the controls."""
ROWS, COLUMNS = 300, 600
"""Directions of equal area by which `chance` integrates."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Located:
    """Peaks and sources of a clip.

    Attributes:
        key: The clip.
        video_id: Its video.
        sources: Unit vectors of its sources; none if they are not known.
        peaks: Unit vector of the peak of each map by name; None if it has no peak.
    """

    key: str
    video_id: str
    sources: tuple[Vector, ...]
    peaks: Mapping[str, Vector | None]

    def errors_deg(self) -> dict[str, float]:
        """Return the angle from each peak to the nearest source, and that of the front."""
        sources = torch.tensor(self.sources, dtype=torch.float64)
        return {
            name: NO_PEAK_DEG if each is None else nearest_deg(torch.tensor(each), sources)
            for name, each in {**self.peaks, "centre": FRONT}.items()
        }


def nearest_deg(vector: Tensor, sources: Tensor) -> float:
    """Return the angle in degrees from a vector (3,) to the nearest of sources (N, 3)."""
    return math.degrees(angle_between(vector.to(sources), sources).min())


def measure(
    found: Sequence[Located], within_deg: float, seed: int
) -> tuple[dict[str, Metric], dict[str, tuple[Row, ...]]]:
    """Return ``hits`` and ``error`` of every map, and the table of videos.

    Those of the model have these names, those of controls a suffix.

    Args:
        found: Clips with sources.
        within_deg: Largest angle between peak and source of a hit.
        seed: Seed of the intervals.
    """
    guesses = np.mean([chance(each.sources, within_deg) for each in found], 0)
    errors = [each.errors_deg() for each in found]
    metrics: dict[str, Metric] = {}
    measured: dict[str, tuple[Numbers, list[str]]] = {}
    for name in (MODEL, *CONTROLS):
        have = [i for i, each in enumerate(errors) if name in each]
        if not have:
            continue  # audio cannot be swapped if there is no other video
        error = np.array([errors[i][name] for i in have])
        hits = (error <= within_deg).astype(np.float64)
        videos = [found[i].video_id for i in have]
        suffix = "" if name == MODEL else f"_{name}"
        measured |= {f"hits{suffix}": (hits, videos), f"error{suffix}": (error, videos)}
        metrics[f"hits{suffix}"] = mean_metric(hits, videos, chance=float(guesses[0]), seed=seed)
        metrics[f"error{suffix}"] = mean_metric(
            error, videos, chance=float(guesses[1]), unit="°", seed=seed
        )
    return metrics, video_table(measured)


def chance(sources: Sequence[Vector], within_deg: float) -> tuple[float, float]:
    """Return hits and error of a uniformly random direction, integrated over the sphere.

    Args:
        sources: Unit vectors of N sources.
        within_deg: Radius of the caps around them.

    Returns:
        Fraction of the sphere within the union of the caps, and mean angle in degrees to the
        nearest source; to about 1e-4 of them.
    """
    nearest = (_even_directions() @ torch.tensor(sources, dtype=torch.float64).T).amax(-1)
    inside = nearest >= math.cos(math.radians(within_deg))
    mean_deg = torch.rad2deg(nearest.clamp(-1, 1).acos()).mean()
    return float(inside.double().mean()), float(mean_deg)


@lru_cache(maxsize=1)
def _even_directions() -> Tensor:
    """Return unit vectors (ROWS * COLUMNS, 3) that stand for equal areas."""
    height = 1 - (2 * torch.arange(ROWS, dtype=torch.float64) + 1) / ROWS
    azimuth = (torch.arange(COLUMNS, dtype=torch.float64) + 0.5) * (2 * math.pi / COLUMNS)
    return direction(azimuth, height.asin()[:, None]).flatten(0, 1)
