"""Sample the views of a clip: directions, fields of view, and augmentation.

Shapes: B batch size, K views per clip.

A draw is a pure function of (seed, epoch, position in the training order), so a single sample can
be reproduced for a preview or a bug report. See `avsa.views.crops` for cropping,
`avsa.views.colors` for the colour transform and `avsa.views.directions` for direction samplers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from avsa.views.colors import color_map
from avsa.views.directions import (
    Band,
    Sampler,
    Spacing,
    check_placeable,
    sample_directions,
    uniform,
)
from yt360.config import config_class, conflict
from yt360.randomness import keyed_generator
from yt360.sphere import azimuth_elevation, direction, view_rotation


@config_class
class ViewConfig:
    """Directions, fields of view and augmentation of the K views of a clip."""

    num_views: Annotated[int, Field(ge=1, le=1024)] = 4
    """K, the number of views per clip."""
    height: Annotated[int, Field(ge=1, le=4096)] = 112
    """Height of a view in pixels."""
    width: Annotated[int, Field(ge=1, le=4096)] = 112
    """Width of a view in pixels."""
    hfov_min_deg: Annotated[float, Field(ge=1, le=170)] = 25.0
    """Minimum horizontal field of view."""
    hfov_max_deg: Annotated[float, Field(ge=1, le=170)] = 90.0
    """Maximum horizontal field of view."""
    hfov_spacing: Literal["angle", "plane"] = "angle"
    """Distribution of fields of view. angle: uniform; plane: uniform in tan(hfov / 2), half the
    width of the image plane."""
    min_separation_deg: Annotated[float, Field(ge=0, le=180)] = 36.0
    """Minimum angle between the centres of two views of a clip."""
    max_elevation_deg: Annotated[float, Field(ge=0, le=90)] = 60.0
    """Maximum elevation of a view's centre."""
    min_elevation_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Minimum elevation of a view's centre; null: -max_elevation_deg."""
    elevation_spacing: Spacing = "area"
    """Distribution of elevations. area: directions are uniform on the sphere; angle: elevations are
    uniform, which favours high and low views."""
    sampler: Sampler = "uniform"
    """uniform: random within the elevation limits; horizon: random on the horizon; grid: evenly
    spaced on the horizon, the first in front; energy, motion, labels: by a saliency map, which is
    high where the audio is loud, the video moves, or labels (`yt360 pseudolabel`) show objects."""
    saliency_fraction: Annotated[float, Field(ge=0, le=1)] = 0.7
    """energy, motion, labels: fraction of views that follow the saliency map; the others are
    uniform."""
    label_set: str = "panoptic"
    """labels: name of the label set."""
    label_classes: tuple[str, ...] = ()
    """labels: names of salient classes; empty: all thing classes."""
    audio_rotation: Literal["view", "random"] = "view"
    """view: the audio is rotated to the direction of the view; random: to an independent random
    direction, a control condition without spatial correspondence."""
    augment: bool = True
    """false: no flips and no jitter; only directions and fields of view are random."""
    aspect_jitter: Annotated[float, Field(ge=1, le=4)] = 1.2
    """The aspect ratio of the field of view is scaled by a random factor in [1 / this, this]."""
    hflip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a left-right flip of a view's video and audio."""
    hflip_per_view: bool = True
    """true: an independent flip for each view; false: all views of a clip are flipped, or none."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Brightness is scaled by a random factor in 1 ± this."""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Contrast about middle grey is scaled by a random factor in 1 ± this."""
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Saturation is scaled by a random factor in 1 ± this."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Hue is shifted by a random fraction of the colour circle, up to ± this."""
    gain_jitter_db: Annotated[float, Field(ge=0, le=40)] = 1.0
    """The audio level is changed by a random gain of up to ± this."""
    gain_per_view: bool = False
    """true: an independent gain for each view; false: the same gain for all views of a clip."""

    def __post_init__(self) -> None:
        for low, high in (
            ("hfov_min_deg", "hfov_max_deg"),
            ("min_elevation_deg", "max_elevation_deg"),
        ):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and least > most:
                raise conflict(f"{low} is {least:g} and {high} {most:g}; {low} must be at most it")

    @property
    def band(self) -> Band:
        """The range of elevations of views."""
        low = self.min_elevation_deg
        high = math.radians(self.max_elevation_deg)
        return Band(-high if low is None else math.radians(low), high, self.elevation_spacing)


@dataclass(frozen=True)
class Views:
    """The views of one sample (K,) or of a batch (B, K); float32 on the CPU, angles in radians.

    Attributes:
        azimuth: (..., K) azimuth of the view's centre.
        elevation: (..., K) elevation of the view's centre.
        audio_azimuth: (..., K) azimuth that the audio is rotated to; equals `azimuth` unless
            ``audio_rotation`` is ``random``.
        audio_elevation: (..., K) elevation that the audio is rotated to.
        hfov: (..., K) horizontal field of view.
        vfov: (..., K) vertical field of view.
        mirror: (..., K) bool, whether the view is flipped left-right.
        color: (..., K, 3, 4) affine transform from stored (Y', Cb, Cr, 1), 0 to 255, to
            standardized RGB, including jitter.
        gain_db: (..., K) gain of the audio.
    """

    azimuth: Tensor
    elevation: Tensor
    audio_azimuth: Tensor
    audio_elevation: Tensor
    hfov: Tensor
    vfov: Tensor
    mirror: Tensor
    color: Tensor
    gain_db: Tensor

    @property
    def directions(self) -> Tensor:
        """Unit vectors (..., K, 3) of the views' centres in world coordinates."""
        return direction(self.azimuth, self.elevation)

    @property
    def rotations(self) -> Tensor:
        """Matrices (..., K, 3, 3) that rotate the audio from the world into the views.

        The matrix of a mirrored view also reflects y, so it is not a rotation.
        """
        rotations = view_rotation(self.audio_azimuth, self.audio_elevation)
        flip = torch.ones(*self.mirror.shape, 3)
        flip[..., 1] -= 2 * self.mirror
        return flip[..., None] * rotations


def stack_views(samples: Sequence[Views]) -> Views:
    """Stack the views of samples to a batch."""
    columns = [field.name for field in fields(Views)]
    return Views(
        **{name: torch.stack([getattr(sample, name) for sample in samples]) for name in columns}
    )


def draw_views(
    config: ViewConfig,
    seed: int,
    epoch: int,
    position: int,
    saliency: NDArray[np.float64] | None = None,
) -> Views:
    """Draw the views of one sample.

    Args:
        config: View configuration.
        seed: Seed of the run.
        epoch: Epoch of the sample.
        position: Position of the sample in the training order.
        saliency: (H, W) non-negative equirectangular map, for the samplers ``energy``, ``motion``
            and ``labels`` (`avsa.views.saliency`).

    Returns:
        Views with leading shape (K,).
    """
    centres = sample_directions(
        config.sampler,
        config.num_views,
        keyed_generator(seed, "viewpoints", epoch, position),
        min_separation=math.radians(config.min_separation_deg),
        band=config.band,
        saliency=saliency,
        saliency_fraction=config.saliency_fraction,
    )
    azimuth, elevation = azimuth_elevation(torch.from_numpy(centres).float())
    audio_azimuth, audio_elevation = azimuth, elevation
    if config.audio_rotation == "random":
        audio_directions = uniform(
            keyed_generator(seed, "sound frames", epoch, position),
            config.num_views,
            config.band,
        )
        audio_azimuth, audio_elevation = azimuth_elevation(
            torch.from_numpy(audio_directions).float()
        )
    generator = keyed_generator(seed, "views", epoch, position)
    hfov = _draw_hfov(config, generator)
    jitter = _draw_jitter(config if config.augment else _without_jitter(config), generator)
    shape = config.height / config.width / jitter.aspect
    return Views(
        azimuth=azimuth,
        elevation=elevation,
        audio_azimuth=audio_azimuth,
        audio_elevation=audio_elevation,
        hfov=_tensor(hfov),
        vfov=_tensor(2 * np.arctan(np.tan(hfov / 2) * shape)),
        mirror=torch.from_numpy(jitter.mirror),
        color=_tensor(jitter.color),
        gain_db=_tensor(jitter.gain_db),
    )


def check_views(config: ViewConfig) -> None:
    """Check that the views can be placed.

    Raises:
        UserError: The views do not fit within the elevation limits at the minimum separation.
    """
    check_placeable(
        config.sampler,
        config.num_views,
        math.radians(config.min_separation_deg),
        config.band,
    )


def _draw_hfov(config: ViewConfig, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return horizontal fields of view (K,) in radians."""
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
    """Augmentation of each view (K,): the fields of `Views`, and the aspect ratio factor."""

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

    def flips() -> NDArray[np.bool_]:
        drawn = generator.random(config.num_views) < config.hflip_probability
        return drawn if config.hflip_per_view else np.full_like(drawn, drawn[0])

    return _Jitter(
        aspect=np.exp(around(0, math.log(config.aspect_jitter))),
        mirror=flips(),
        color=color_map(
            brightness=around(1, config.brightness),
            contrast=around(1, config.contrast),
            saturation=around(1, config.saturation),
            hue=around(0, 2 * math.pi * config.hue),
        ),
        gain_db=gain_db(),
    )


def _without_jitter(config: ViewConfig) -> ViewConfig:
    """Return the configuration without augmentation."""
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


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
