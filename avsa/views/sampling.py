"""Sample the views of a batch of clips: directions, fields of view, and augmentation.

Shapes: B batch size, K views per clip.

The views of a clip are a pure function of (seed, epoch, position in the training order) and of its
saliency map: they are the same alone and in any batch, to the bit, so a single sample can be
reproduced for a preview or a bug report. See `avsa.views.crops` for cropping, `avsa.views.colors`
for the colour transform and `avsa.views.directions` for direction samplers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from avsa.views.candidates import Band, Floats, Spacing, uniform_directions
from avsa.views.colors import color_map
from avsa.views.directions import Sampler, check_placeable, sample_directions
from yt360.config import config_class, conflict
from yt360.randomness import keyed_uniform


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
    """The views of a batch; float32 on the CPU, angles in radians.

    Attributes:
        azimuth: (B, K) azimuth of the view's centre.
        elevation: (B, K) elevation of the view's centre.
        audio_azimuth: (B, K) azimuth that the audio is rotated to; equals `azimuth` unless
            ``audio_rotation`` is ``random``.
        audio_elevation: (B, K) elevation that the audio is rotated to.
        hfov: (B, K) horizontal field of view.
        vfov: (B, K) vertical field of view.
        hflip: (B, K) bool, whether the view is flipped left-right.
        color: (B, K, 3, 4) affine transform from stored (Y', Cb, Cr, 1), 0 to 255, to standardized
            RGB, including jitter.
        gain_db: (B, K) gain of the audio.
    """

    azimuth: Tensor
    elevation: Tensor
    audio_azimuth: Tensor
    audio_elevation: Tensor
    hfov: Tensor
    vfov: Tensor
    hflip: Tensor
    color: Tensor
    gain_db: Tensor

    @property
    def directions(self) -> Tensor:
        """Unit vectors (B, K, 3) of the views' centres in world coordinates."""
        angles = torch.stack([self.azimuth, self.elevation]).double().numpy()
        return _single(np.stack(unit_vectors(np.cos(angles), np.sin(angles)), -1))

    @property
    def rotations(self) -> Tensor:
        """Matrices (B, K, 3, 3) that rotate the audio from the world into the views.

        They are those of `yt360.sphere.view_rotation`. The matrix of a mirrored view also reflects
        y, so it is not a rotation.
        """
        angles = torch.stack([self.audio_azimuth, self.audio_elevation]).double().numpy()
        entries = rotation_entries(np.cos(angles), np.sin(angles), self.hflip.numpy())
        return _single(np.stack(entries, -1)).unflatten(-1, (3, 3))


def unit_vectors(cos: Floats, sin: Floats) -> list[Floats]:
    """Return x, y and z of unit vectors (...) for cosine and sine of (azimuth, elevation)."""
    return [cos[1] * cos[0], cos[1] * sin[0], sin[1]]


def rotation_entries(cos: Floats, sin: Floats, hflip: NDArray[np.bool_]) -> list[Floats]:
    """Return the entries of `Views.rotations` row by row, nine arrays (...).

    Args:
        cos: (2, ...) cosine of azimuth and elevation of the audio.
        sin: (2, ...) sine of them.
        hflip: (...) whether the view is flipped.
    """
    left = np.where(hflip, -1.0, 1.0)
    return [
        cos[1] * cos[0], cos[1] * sin[0], sin[1],
        -left * sin[0], left * cos[0], np.zeros_like(left),
        -sin[1] * cos[0], -sin[1] * sin[0], cos[1],
    ]  # fmt: skip


def draw_views(
    config: ViewConfig,
    seed: int,
    epoch: int,
    positions: Sequence[int] | NDArray[np.int64],
    saliency: Floats | None = None,
) -> Views:
    """Draw the views of a batch of samples.

    Args:
        config: View configuration.
        seed: Seed of the run.
        epoch: Epoch of the samples.
        positions: Position of each sample in the training order (B,).
        saliency: (B, H, W) non-negative equirectangular maps, for the samplers ``energy``,
            ``motion`` and ``labels`` (`avsa.views.saliency`).

    Returns:
        Views (B, K). Those of a sample do not depend on the other samples.
    """
    centres = sample_directions(
        config.sampler,
        config.num_views,
        (seed, "viewpoints", epoch),
        positions,
        min_separation=math.radians(config.min_separation_deg),
        band=config.band,
        saliency=saliency,
        saliency_fraction=config.saliency_fraction,
    )
    azimuth, elevation = _angles(centres)
    audio_azimuth, audio_elevation = azimuth, elevation
    if config.audio_rotation == "random":
        shape = (len(centres), config.num_views, 2)
        drawn = keyed_uniform(
            seed, "sound frames", epoch, positions=positions, count=2 * config.num_views
        )
        audio_azimuth, audio_elevation = _angles(
            uniform_directions(drawn.reshape(shape), config.band)
        )
    jitter = _draw_jitter(config, seed, epoch, positions)
    return Views(
        azimuth=azimuth,
        elevation=elevation,
        audio_azimuth=audio_azimuth,
        audio_elevation=audio_elevation,
        hfov=_single(jitter.hfov),
        vfov=_single(jitter.vfov),
        hflip=torch.from_numpy(jitter.hflip),
        color=_single(jitter.color),
        gain_db=_single(jitter.gain_db),
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


@dataclass(frozen=True)
class _Jitter:
    """Fields of view and augmentation of each view (B, K): fields of `Views`, in float64."""

    hfov: Floats
    vfov: Floats
    hflip: NDArray[np.bool_]
    color: Floats
    gain_db: Floats


def _draw_jitter(
    config: ViewConfig, seed: int, epoch: int, positions: Sequence[int] | NDArray[np.int64]
) -> _Jitter:
    num_views, names = config.num_views, 8
    # The numbers of a view do not depend on how many views there are.
    drawn = keyed_uniform(seed, "views", epoch, positions=positions, count=num_views * names)
    fov, aspect, flip, brightness, contrast, saturation, hue, gain = np.ascontiguousarray(
        drawn.reshape(len(positions), num_views, names).transpose(2, 0, 1)
    )
    jitter = config if config.augment else _without_jitter(config)
    if not jitter.hflip_per_view:
        flip = np.repeat(flip[:, :1], num_views, 1)
    if not jitter.gain_per_view:
        gain = np.repeat(gain[:, :1], num_views, 1)

    def around(centre: float, spread: float, uniform: Floats) -> Floats:
        return centre + spread * (2 * uniform - 1)

    hfov = _hfov(config, fov)
    aspect = np.exp(around(0, math.log(jitter.aspect_jitter), aspect))
    return _Jitter(
        hfov=hfov,
        vfov=2 * np.arctan(np.tan(hfov / 2) * (config.height / config.width) / aspect),
        hflip=flip < jitter.hflip_probability,
        color=color_map(
            brightness=around(1, jitter.brightness, brightness),
            contrast=around(1, jitter.contrast, contrast),
            saturation=around(1, jitter.saturation, saturation),
            hue=around(0, 2 * math.pi * jitter.hue, hue),
        ),
        gain_db=around(0, jitter.gain_jitter_db, gain),
    )


def _hfov(config: ViewConfig, uniform: Floats) -> Floats:
    """Map uniform numbers to horizontal fields of view in radians."""
    low, high = (math.radians(each) for each in (config.hfov_min_deg, config.hfov_max_deg))
    if config.hfov_spacing == "angle":
        return low + (high - low) * uniform
    low, high = math.tan(low / 2), math.tan(high / 2)
    return 2 * np.arctan(low + (high - low) * uniform)


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


def _angles(vectors: Floats) -> tuple[Tensor, Tensor]:
    """Return azimuth and elevation (B, K) of unit vectors (B, K, 3)."""
    x, y, z = np.ascontiguousarray(np.moveaxis(vectors, -1, 0))
    return _single(np.arctan2(y, x)), _single(np.arctan2(z, np.hypot(x, y)))


def _single(values: Floats) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
