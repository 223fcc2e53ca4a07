"""Parts of plots of a panorama: its frame as RGB, axes in degrees, halos around marks."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from avsa.views.colors import stored_to_rgb

EXTENT = (180, -180, -90, 90)
"""Azimuth of the left and right edge, elevation of the lower and upper edge, in degrees."""


def panorama_rgb(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a stored frame, luma (H, W) and chroma (2, H/2, W/2), to RGB (H, W, 3)."""
    full = chroma.repeat(2, 1).repeat(2, 2).astype(np.float64)
    yuv = np.concatenate([luma[None], full, np.ones_like(luma[None])])
    rgb = np.einsum("cd,dhw->hwc", stored_to_rgb(), yuv)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


def label_directions(axes: Any) -> None:
    """Label the axes of a panorama with azimuths and elevations."""
    axes.set(xlim=(180, -180), ylim=(-90, 90), aspect="equal")
    axes.set_xticks(
        [180, 90, 0, -90, -180], ["180°", "left 90°", "front 0°", "right −90°", "−180°"]
    )
    axes.set_yticks([-90, -45, 0, 45, 90], ["−90°", "−45°", "0°", "45°", "90°"])
    simplify(axes, size=8.5)


def halo(width: float) -> list[Any]:
    """Return a dark halo around lines and letters."""
    return [withStroke(linewidth=width, foreground="black", alpha=0.55)]


def simplify(axes: Any, size: float) -> None:
    """Remove the frame of axes and shrink their ticks."""
    axes.tick_params(labelsize=size, length=2, color="0.5")
    for spine in axes.spines.values():
        spine.set_visible(False)
