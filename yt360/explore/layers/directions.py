"""Known directions of the sources of clips, as the page draws them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from yt360.errors import UserError
from yt360.scenes.directions import Directions, ListedDirections, SceneDirections
from yt360.sphere import angle_between, azimuth_elevation

STEP_S = 0.25
MAX_STEPS = 400
"""Longer clips have longer steps."""
STILL_DEG = 0.5
"""A source that moves less in a clip is drawn in one place."""


class KnownDirections:
    """Directions of scenes, or of a table of a user.

    Args:
        directions: What they are read from.
    """

    def __init__(self, directions: Directions) -> None:
        self._directions = directions

    @classmethod
    def open(cls, path: Path) -> KnownDirections:
        """Open a folder of scenes, or a CSV file with ``key``, ``azimuth_deg``, ``elevation_deg``.

        Raises:
            UserError: It cannot be read.
        """
        if not path.exists():
            raise UserError(
                f"{path} does not exist; give a folder that `yt360 scenes` wrote, or a CSV file",
                "missing",
                path,
            )
        return cls(SceneDirections(path) if path.is_dir() else ListedDirections(path))

    def of_clip(self, key: str, duration_s: float) -> list[dict[str, Any]]:
        """Return the directions of the sources of a clip, by source and time; see clip.json.

        A source that moves has an entry for each step of time, with its direction in the middle of
        the step.

        Args:
            key: The clip; one whose directions are not known has none.
            duration_s: Its length.
        """
        try:
            if key not in self._directions:
                return []
        except ValueError:  # not the key of a clip
            return []
        count = max(1, min(MAX_STEPS, math.ceil(duration_s / STEP_S)))
        edges = [duration_s * n / count for n in range(count + 1)]
        middles = [(edges[n] + edges[n + 1]) / 2 for n in range(count)]
        paths = torch.stack([self._directions.of(key, time_s) for time_s in middles])  # (T, N, 3)
        found: list[dict[str, Any]] = []
        for name, path in zip(self._directions.names(key), paths.unbind(1), strict=True):
            moves = math.degrees(float(angle_between(path, path[:1]).max())) > STILL_DEG
            steps = range(count) if moves else [count // 2]
            azimuth, elevation = (angle.rad2deg().tolist() for angle in azimuth_elevation(path))
            for n in steps:
                found.append(
                    {
                        "name": name,
                        "azimuth_deg": round(azimuth[n], 2),
                        "elevation_deg": round(elevation[n], 2),
                        "start_s": round(edges[n], 3) if moves else 0.0,
                        "end_s": round(edges[n + 1] if moves else duration_s, 3),
                    }
                )
        return found
