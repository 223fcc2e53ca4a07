"""What the configuration of an encoder must offer; classes of users need not inherit from these.

Shapes: B batch, C channels, T frames, H height, W width, N time steps, F mel bands, D features.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from pydantic import Field
from torch import nn

from yt360.config import config_class, conflict
from yt360.errors import UserError

MAX_FEATURE_DIM = 8192


class EncoderConfig(Protocol):
    """Configuration of an encoder."""

    @property
    def kind(self) -> str:
        """Name of the encoder."""

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature vector; equal for both encoders of a model."""


class VideoEncoderConfig(EncoderConfig, Protocol):
    """Configuration of an encoder of video.

    The network may also have a method ``forward_maps(video)``, which returns the maps
    (B, C_i, T_i, H_i, W_i) of its stages, the finest first; its features are then the maximum of
    the last one over time and space. Segmentation and localization need it.
    """

    def build(self) -> nn.Module:
        """Return a network with new weights: standardized RGB (B, 3, T, H, W) to (B, D)."""


def with_maps(encoder: nn.Module) -> Any:
    """Return an encoder of video that has the method ``forward_maps``.

    Raises:
        UserError: ``"unsupported"``: It does not have it.
    """
    if not hasattr(encoder, "forward_maps"):
        raise UserError(
            f"the encoder {type(encoder).__name__} has no feature maps (method forward_maps), "
            "which this evaluation needs; use a run with another encoder, such as r2plus1d",
            "unsupported",
            "encoders.video",
        )
    return encoder


class AudioEncoderConfig(EncoderConfig, Protocol):
    """Configuration of an encoder of audio."""

    def build(self, in_channels: int) -> nn.Module:
        """Return a network with new weights: spectrograms (B, C, N, F) to (B, D).

        Args:
            in_channels: C; 4 for ambiX (`avsa.views.spectrogram.AudioConfig.num_channels`).
        """


@config_class
class StagedEncoderConfig:
    """Size of a convolutional network whose stages double the channels."""

    kind: str
    """Name of the encoder."""
    base_channels: Annotated[int, Field(ge=1, le=MAX_FEATURE_DIM)] = 64
    """Channels of the stem and the first stage; each further stage doubles them."""
    num_stages: Annotated[int, Field(ge=1, le=8)] = 4
    """Number of stages."""

    def __post_init__(self) -> None:
        if self.feature_dim > MAX_FEATURE_DIM:
            raise conflict(
                f"base_channels * 2**(num_stages - 1) is {self.feature_dim} features; at most "
                f"{MAX_FEATURE_DIM} are allowed"
            )

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector (512 by default)."""
        return self.base_channels * 2 ** (self.num_stages - 1)
