"""Sheets of clips: the panorama with the evidence of the model, and with the audio energy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from avsa.evals.localization.scores import Located, Vector
from avsa.preview.panorama_plot import EXTENT, halo, label_directions
from yt360.ambisonics.energy_overlay import energy_overlay, map_overlay, relative_db
from yt360.files import atomic_write
from yt360.sphere import azimuth_elevation
from yt360.terminal.text import plot_text
from yt360.untrusted.arrays import read_npz

CLIPS_PER_SHEET = 4
WIDTH_IN, ROW_IN, DPI = 14.0, 3.75, 100
SOURCE_COLOR, PEAK_COLOR = "#56B4E9", "white"
MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class Pictured:
    """A clip as a sheet shows it.

    Attributes:
        frame: uint8 RGB (H, W, 3), the panorama.
        evidence: float32 (90, 180), of the model.
        energy: float32 (90, 180), power.
    """

    frame: NDArray[np.uint8]
    evidence: NDArray[np.float32]
    energy: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write it to an ``.npz``."""
        with atomic_write(path) as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Pictured:
        """Read it from an ``.npz``."""
        stored = read_npz(path, ("frame", "evidence", "energy"), MAX_BYTES)
        return cls(**{name: each.copy() for name, each in stored.items()})


def draw_sheet(clips: Sequence[tuple[Located, Pictured]], path: Path) -> None:
    """Write a PNG with a row for each clip."""
    figure = Figure(figsize=(WIDTH_IN, ROW_IN * len(clips)), dpi=DPI, facecolor="white")
    panels = figure.subplots(len(clips), 2, squeeze=False)
    for (left, right), (located, shown) in zip(panels, clips, strict=True):
        strength = shown.evidence / max(float(shown.evidence.max()), 1e-12)
        level_db = relative_db(torch.from_numpy(shown.energy))
        left.set_title(plot_text(located.key), loc="left", size=11, weight="bold")
        for axes, name, image in (
            (left, "model", map_overlay(shown.frame, _resized(strength, shown.frame))),
            (right, "energy", energy_overlay(shown.frame, _resized(level_db, shown.frame))),
        ):
            axes.imshow(image, extent=EXTENT)
            axes.set_title(_title(located, name), loc="right", size=9.5)
            _mark(axes, located.sources, located.peaks[name])
            label_directions(axes)
    figure.subplots_adjust(0.05, 0.08 / len(clips), 0.985, 1 - 0.1 / len(clips), 0.09, 0.2)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", metadata={"Software": None})


def _resized(values: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a map with as many rows and columns as an image."""
    resized: torch.Tensor = interpolate(
        torch.from_numpy(values)[None, None], image.shape[:2], mode="bilinear"
    )
    return resized[0, 0].numpy()


def _title(located: Located, name: str) -> str:
    what = {"model": "model", "energy": "audio energy"}[name]
    return f"{what}: {located.errors_deg()[name]:.0f}° off" if located.sources else what


def _mark(axes: Any, sources: Sequence[Vector], found: Vector | None) -> None:
    """Mark sources by circles and the peak by a cross."""
    marks = [(each, "o", SOURCE_COLOR) for each in sources]
    if found is not None:
        marks.append((found, "x", PEAK_COLOR))
    for vector, marker, color in marks:
        azimuth, elevation = map(math.degrees, azimuth_elevation(torch.tensor(vector)))
        axes.plot(
            azimuth, elevation, marker, ms=13, mew=2.4, color=color,
            fillstyle="none", path_effects=halo(4.5),
        )  # fmt: skip
