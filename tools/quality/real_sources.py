"""The labelled source of a real recording, which may move."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from quality.real_bench import Row
from yt360.sphere import direction

MOVING_TOLERANCE_DEG = 20.0


@dataclass(frozen=True)
class Source:
    """A labelled source, which moves evenly from one azimuth to another.

    Attributes:
        azimuths_deg: At the start and at the end of the recording.
        elevation_deg: Elevation.
        tolerance_deg: Of the label.
        agrees: Whether the label says that audio and video agree.
    """

    azimuths_deg: tuple[float, float]
    elevation_deg: float
    tolerance_deg: float
    agrees: bool

    @property
    def moves(self) -> bool:
        """Whether it moves."""
        return self.azimuths_deg[0] != self.azimuths_deg[1]

    def at(self, fraction: float) -> Tensor:
        """Return the direction (3,) after a fraction of the recording."""
        first, last = self.azimuths_deg
        turned = (last - first + 180) % 360 - 180
        angles = (first + fraction * turned, self.elevation_deg)
        return direction(
            *(torch.tensor(math.radians(each), dtype=torch.float64) for each in angles)
        )


def source_of(row: Row) -> Source | None:
    """Return the source of a row of labels, or None if it has no direction."""
    agrees = row["sound_agrees_with_picture"] != "no"
    if row["source_azimuth"]:
        azimuth, elevation, tolerance = (
            float(row[name]) for name in ("source_azimuth", "source_elevation", "tolerance")
        )
        return Source((azimuth, azimuth), elevation, tolerance, agrees)
    if moving := re.search(r"(-?\d+) -> (-?\d+)", row["source"]):
        return Source((float(moving[1]), float(moving[2])), 0.0, MOVING_TOLERANCE_DEG, agrees)
    return None
