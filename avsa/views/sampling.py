"""Choosing the views of a sample: where to look, how wide, and every jitter, all keyed draws.

Legend: B batch, K views of one clip, T frames, h and w rows and columns of a view.

A draw is a pure function of (seed, epoch, position in the plan), so one sample can be drawn again
alone, for a picture or a bug report. Cropping is in `avsa.views.crops`, the colour map in
`avsa.views.colors`, the samplers of directions in `avsa.views.directions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.config.typed import require_at_most
from avsa.views.colors import color_map
from avsa.views.directions import (
    Band,
    Sampler,
    Spacing,
    check_placeable,
    sample_directions,
    uniform,
)
from yt360.errors import UserError
from yt360.randomness import keyed_generator
from yt360.sphere import azimuth_elevation, direction, view_rotation


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
    hfov_spacing: Literal["angle", "plane"] = "angle"
    """How fields of view are drawn. angle: uniform; plane: with tan(hfov / 2), half the width of
    the image plane, uniform."""
    min_separation_deg: float = 36.0
    """Smallest angle on the great circle between the middles of two views of a clip."""
    max_elevation_deg: float = 60.0
    """Views look at most this far above the horizon."""
    min_elevation_deg: float | None = None
    """Lowest elevation of views; null: as far below the horizon as above it."""
    elevation_spacing: Spacing = "area"
    """How elevations are drawn. area: directions are uniform on the sphere; angle: elevations are
    uniform, so that high and low places are looked at more often."""
    sampler: Sampler = "uniform"
    """uniform: on the sphere within the band; horizon: anywhere on it; grid: evenly spaced on the
    horizon, the first in front; energy, motion, labels: where the sound is loud, the picture moves,
    or labels (`yt360 pseudolabel`) show objects."""
    saliency_fraction: float = 0.7
    """energy, motion, labels: share of views that follow the guide; the others are uniform."""
    label_set: str = "panoptic"
    """labels: name of the set of labels."""
    label_classes: tuple[str, ...] = ()
    """labels: names of the classes to look at; none for all things."""
    audio_rotation: Literal["view", "random"] = "view"
    """view: a view's sound is turned to the view; random: to a direction drawn without regard to
    it, a control from which nothing about space can be learned."""
    augment: bool = True
    """Off: no mirroring and none of the jitters below; only directions and fields of view vary."""
    aspect_jitter: float = 1.2
    """Width over height of a view's field is stretched by up to this factor either way; 1: not."""
    hflip_probability: float = 0.5
    """How often a view is mirrored left-right, in picture and sound."""
    brightness: float = 0.4
    """Factor of brightness in 1 ± this."""
    contrast: float = 0.4
    """Factor of contrast about middle grey in 1 ± this."""
    saturation: float = 0.4
    """Factor of saturation in 1 ± this."""
    hue: float = 0.1
    """Turn of hue in ± this, in whole turns of the colour circle."""
    gain_jitter_db: float = 1.0
    """Change of level in ± this many decibels."""
    gain_per_view: bool = False
    """Change the level of each view by itself; off: of all views of a clip alike."""

    def __post_init__(self) -> None:
        require_at_most("views", self, num_views=1024, height=4096, width=4096)
        for name in ("num_views", "height", "width"):
            _require(name, getattr(self, name), 1, math.inf)
        _require("hfov_min_deg", self.hfov_min_deg, 1, self.hfov_max_deg)
        _require("hfov_max_deg", self.hfov_max_deg, self.hfov_min_deg, 170)
        _require("min_separation_deg", self.min_separation_deg, 0, 180)
        _require("max_elevation_deg", self.max_elevation_deg, 0, 90)
        if self.min_elevation_deg is not None:
            _require("min_elevation_deg", self.min_elevation_deg, -90, self.max_elevation_deg)
        _require("aspect_jitter", self.aspect_jitter, 1, 4)
        for name in (
            "saliency_fraction",
            "hflip_probability",
            "brightness",
            "contrast",
            "saturation",
        ):
            _require(name, getattr(self, name), 0, 1)
        _require("hue", self.hue, 0, 0.5)
        _require("gain_jitter_db", self.gain_jitter_db, 0, 40)
        if self.sampler not in get_args(Sampler):
            known = ", ".join(get_args(Sampler))
            raise UserError(f"views.sampler must be one of {known}, not {self.sampler!r}")
        if self.audio_rotation not in ("view", "random"):
            raise UserError(
                f"views.audio_rotation must be view or random, not {self.audio_rotation!r}"
            )

    @property
    def band(self) -> Band:
        """The elevations that views may look at."""
        low = self.min_elevation_deg
        high = math.radians(self.max_elevation_deg)
        return Band(-high if low is None else math.radians(low), high, self.elevation_spacing)


@dataclass(frozen=True)
class Views:
    """The views of one sample (K,) or of a batch (B, K); float32 on the CPU, angles in radians.

    Attributes:
        azimuth: (..., K) of the views' middles.
        elevation: (..., K).
        sound_azimuth: (..., K) of the directions that the sound is turned to; the views' middles,
            except with ``audio_rotation`` ``random``.
        sound_elevation: (..., K).
        hfov: (..., K) full horizontal fields of view.
        vfov: (..., K) full vertical fields of view.
        mirror: (..., K) bool, whether the view is flipped left-right.
        color: (..., K, 3, 4), the affine map from (Y', Cb, Cr, 1), as stored (0 to 255), to
            standardized RGB; jitters included.
        gain_db: (..., K) change of the sound's level.
    """

    azimuth: Tensor
    elevation: Tensor
    sound_azimuth: Tensor
    sound_elevation: Tensor
    hfov: Tensor
    vfov: Tensor
    mirror: Tensor
    color: Tensor
    gain_db: Tensor

    @property
    def directions(self) -> Tensor:
        """Unit vectors (..., K, 3) of the views' middles in the world."""
        return direction(self.azimuth, self.elevation)

    @property
    def rotations(self) -> Tensor:
        """Matrices (..., K, 3, 3) that take the world's sound into the frames of the views.

        A mirrored view's matrix ends with the reflection of y, so it is not a rotation.
        """
        rotations = view_rotation(self.sound_azimuth, self.sound_elevation)
        flip = torch.ones(*self.mirror.shape, 3)
        flip[..., 1] -= 2 * self.mirror
        return flip[..., None] * rotations


def stack_views(samples: Sequence[Views]) -> Views:
    """Return the views of samples as one batch."""
    columns = [field.name for field in fields(Views)]
    return Views(
        **{name: torch.stack([getattr(sample, name) for sample in samples]) for name in columns}
    )


def draw_views(
    config: ViewConfig,
    seed: int,
    epoch: int,
    position: int,
    guide: NDArray[np.float64] | None = None,
) -> Views:
    """Draw the views of one sample.

    Args:
        config: What to draw.
        seed: Of the run.
        epoch: Of the sample.
        position: Of the sample in the plan.
        guide: (H, W) non-negative equirectangular map of where to look, for the samplers
            ``energy``, ``motion`` and ``labels`` (`avsa.views.saliency`).

    Returns:
        Views with leading shape (K,).
    """
    middles = sample_directions(
        config.sampler,
        config.num_views,
        keyed_generator(seed, "viewpoints", epoch, position),
        min_separation=math.radians(config.min_separation_deg),
        band=config.band,
        guide=guide,
        saliency_fraction=config.saliency_fraction,
    )
    azimuth, elevation = azimuth_elevation(torch.from_numpy(middles).float())
    sound_azimuth, sound_elevation = azimuth, elevation
    if config.audio_rotation == "random":
        frames = uniform(
            keyed_generator(seed, "sound frames", epoch, position),
            config.num_views,
            config.band,
        )
        sound_azimuth, sound_elevation = azimuth_elevation(torch.from_numpy(frames).float())
    generator = keyed_generator(seed, "views", epoch, position)
    hfov = _draw_hfov(config, generator)
    jitter = _draw_jitter(config if config.augment else _plain(config), generator)
    shape = config.height / config.width / jitter.aspect
    return Views(
        azimuth=azimuth,
        elevation=elevation,
        sound_azimuth=sound_azimuth,
        sound_elevation=sound_elevation,
        hfov=_tensor(hfov),
        vfov=_tensor(2 * np.arctan(np.tan(hfov / 2) * shape)),
        mirror=torch.from_numpy(jitter.mirror),
        color=_tensor(jitter.color),
        gain_db=_tensor(jitter.gain_db),
    )


def check_views(config: ViewConfig) -> None:
    """Check before any work that the views can be placed.

    Raises:
        UserError: So many views cannot be placed this far apart within the band.
    """
    check_placeable(
        config.sampler,
        config.num_views,
        math.radians(config.min_separation_deg),
        config.band,
    )


def _draw_hfov(config: ViewConfig, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return full horizontal fields of view (K,), radians."""
    if config.hfov_spacing == "angle":
        limits = config.hfov_min_deg, config.hfov_max_deg
        return np.radians(generator.uniform(*limits, config.num_views))
    low, high = (
        math.tan(math.radians(hfov_deg) / 2)
        for hfov_deg in (config.hfov_min_deg, config.hfov_max_deg)
    )
    return 2 * np.arctan(generator.uniform(low, high, config.num_views))


@dataclass(frozen=True)
class _Jitter:
    """What augmentation does to each view (K,): see `Views`; aspect is a factor."""

    aspect: NDArray[np.float64]
    mirror: NDArray[np.bool_]
    color: NDArray[np.float64]
    gain_db: NDArray[np.float64]


def _draw_jitter(config: ViewConfig, generator: np.random.Generator) -> _Jitter:
    def around(centre: float, spread: float) -> NDArray[np.float64]:
        return centre + spread * generator.uniform(-1, 1, config.num_views)

    def gain_db() -> NDArray[np.float64]:
        if config.gain_per_view:
            return around(0, config.gain_jitter_db)
        return np.full(config.num_views, config.gain_jitter_db * generator.uniform(-1, 1))

    return _Jitter(
        aspect=np.exp(around(0, math.log(config.aspect_jitter))),
        mirror=generator.random(config.num_views) < config.hflip_probability,
        color=color_map(
            brightness=around(1, config.brightness),
            contrast=around(1, config.contrast),
            saturation=around(1, config.saturation),
            hue=around(0, 2 * math.pi * config.hue),
        ),
        gain_db=gain_db(),
    )


def _plain(config: ViewConfig) -> ViewConfig:
    """Return the same views without augmentation."""
    return replace(
        config,
        aspect_jitter=1.0,
        hflip_probability=0.0,
        brightness=0.0,
        contrast=0.0,
        saturation=0.0,
        hue=0.0,
        gain_jitter_db=0.0,
    )


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        allowed = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise UserError(f"views.{name} is {value:g}; allowed is {allowed}")


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
