"""Choosing the views of a sample: where to look, how wide, and every jitter, all keyed draws.

Legend: B batch, K views of one clip, T frames, h and w rows and columns of a view.

A draw is a pure function of (seed, epoch, position in the plan), so one sample can be drawn again
alone, for a picture or a bug report. Cropping is in `avsa.crops`, the colour map in `avsa.colors`,
the samplers of directions in `avsa.viewpoints`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from yt360.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """Where the K views of a clip look, how wide they are, and how they are jittered."""

    num_views: int = 4
    """K, views of one clip."""
    height: int = 112
    """Rows of a view."""
    width: int = 112
    """Columns of a view."""
    hfov_min_deg: float = 25.0
    """Smallest full horizontal field of view."""
    hfov_max_deg: float = 90.0
    """Largest full horizontal field of view."""
    min_separation_deg: float = 36.0
    """Smallest angle on the great circle between the middles of two views of a clip."""
    max_elevation_deg: float = 60.0
    """Views look at most this far above or below the horizon."""
    sampler: Literal["uniform", "horizon", "grid", "energy", "motion"] = "uniform"
    """uniform: on the sphere within the band; horizon: anywhere on it; grid: evenly spaced on the
    horizon, the first in front; energy, motion: where the sound is loud or the picture moves."""
    guided_share: float = 0.7
    """energy and motion: share of views that follow the guide; the others are uniform."""
    augment: bool = True
    """Off: no mirroring and none of the jitters below; only directions and fields of view vary."""
    aspect_jitter: float = 1.2
    """Width over height of a view's field is stretched by up to this factor either way; 1: not."""
    mirror_probability: float = 0.5
    """How often a view is mirrored left-right, in picture and sound."""
    brightness: float = 0.4
    """Factor of brightness in 1 ± this."""
    contrast: float = 0.4
    """Factor of contrast about middle grey in 1 ± this."""
    saturation: float = 0.4
    """Factor of saturation in 1 ± this."""
    hue: float = 0.1
    """Turn of hue in ± this, in whole turns of the colour circle."""
    volume_jitter_db: float = 1.0
    """Change of level in ± this many decibels, the same for all views of a clip."""


@dataclass(frozen=True)
class Views:
    """The views of one sample (K,) or of a batch (B, K); float32 on the CPU, angles in radians.

    Attributes:
        azimuth: (..., K) of the views' middles.
        elevation: (..., K).
        hfov: (..., K) full horizontal fields of view.
        vfov: (..., K) full vertical fields of view.
        mirror: (..., K) bool, whether the view is flipped left-right.
        color: (..., K, 3, 4), the affine map from (Y', Cb, Cr, 1), as stored (0 to 255), to
            standardized RGB; jitters included.
        gain_db: (...) change of the sound's level.
    """

    azimuth: Tensor
    elevation: Tensor
    hfov: Tensor
    vfov: Tensor
    mirror: Tensor
    color: Tensor
    gain_db: Tensor

    @property
    def directions(self) -> Tensor:
        """Unit vectors (..., K, 3) of the views' middles in the world."""
        raise NotImplementedError

    @property
    def rotations(self) -> Tensor:
        """Matrices (..., K, 3, 3) that take the world into the views' frames, mirroring included.

        A mirrored view's matrix ends with the reflection of y, so it is not a rotation.
        """
        raise NotImplementedError


def stack_views(samples: Sequence[Views]) -> Views:
    """Return the views of samples as one batch."""
    columns = [field.name for field in fields(Views)]
    return Views(
        **{name: torch.stack([getattr(sample, name) for sample in samples]) for name in columns}
    )


def draw_views(
    config: ViewConfig, seed: int, epoch: int, position: int, guide: Tensor | None = None
) -> Views:
    """Draw the views of one sample.

    Args:
        config: What to draw.
        seed: Of the run.
        epoch: Of the sample.
        position: Of the sample in the plan.
        guide: (height, width) non-negative equirectangular map of where to look; needed by the
            samplers ``energy`` and ``motion`` (see `avsa.guides`).

    Returns:
        Views with leading shape (K,).
    """
    raise NotImplementedError


def check_views(config: ViewConfig) -> None:
    """Check before any work that the views can be drawn.

    Raises:
        UserError: So many views cannot be placed this far apart within the band.
    """
    raise UserError("")
