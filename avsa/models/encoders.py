"""The pair of encoders of a model, and their configuration.

Shapes: B batch, K views, C channels, T frames, h and w of a view, N time steps, F mel bands,
D features.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from avsa.models import AUDIO_ENCODERS, VIDEO_ENCODERS
from avsa.models.base import AudioEncoderConfig, VideoEncoderConfig
from avsa.models.conv2d import Conv2DConfig
from avsa.models.r2plus1d import R2Plus1DConfig
from yt360.config import Section, config_class, conflict
from yt360.errors import UserError


@config_class
class EncodersConfig:
    """The networks of the two modalities."""

    video: Annotated[VideoEncoderConfig, Section(VIDEO_ENCODERS, default="r2plus1d")] = (
        R2Plus1DConfig()
    )
    """The encoder of video."""
    audio: Annotated[AudioEncoderConfig, Section(AUDIO_ENCODERS, default="conv2d")] = Conv2DConfig()
    """The encoder of audio."""

    def __post_init__(self) -> None:
        if self.video.feature_dim != self.audio.feature_dim:
            raise conflict(
                f"video has {self.video.feature_dim} features and audio {self.audio.feature_dim}; "
                "choose options that give equal numbers, such as an equal base_channels and "
                "num_stages"
            )

    @property
    def feature_dim(self) -> int:
        """D, the length of a feature vector of either encoder."""
        return self.video.feature_dim

    def build(self, audio_channels: int) -> Encoders:
        """Return both encoders with new weights.

        Args:
            audio_channels: C of the spectrograms.
        """
        return Encoders(self.video.build(), self.audio.build(audio_channels), self.feature_dim)


class Encoders(nn.Module):
    """Both encoders, applied to views. A curriculum keeps them from stage to stage.

    Args:
        video: Encoder of video.
        audio: Encoder of audio.
        feature_dim: D, the length of a feature vector of either.

    Attributes:
        batch_norm_splits: Parts in which a training batch passes through the networks, each with
            batch norm statistics of its own.
    """

    def __init__(self, video: nn.Module, audio: nn.Module, feature_dim: int) -> None:
        super().__init__()
        self.video, self.audio, self.feature_dim = video, audio, feature_dim
        self.batch_norm_splits = 1

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, K, D) each of views (B, K, 3, T, h, w) and (B, K, C, N, F).

        Raises:
            UserError: An encoder does not return (B * K, D).
        """
        if not self.training or self.batch_norm_splits == 1:
            return self._features(video, audio)
        pieces = zip(*(each.chunk(self.batch_norm_splits) for each in (video, audio)), strict=True)
        features = [self._features(*piece) for piece in pieces]
        return torch.cat([each[0] for each in features]), torch.cat([each[1] for each in features])

    def _features(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        return self._encode("video", self.video, video), self._encode("audio", self.audio, audio)

    def _encode(self, name: str, encoder: nn.Module, views: Tensor) -> Tensor:
        features: Tensor = encoder(views.flatten(0, 1))
        expected = (views.shape[0] * views.shape[1], self.feature_dim)
        if features.shape != expected:
            raise UserError(
                f"the encoder of {name} returns {tuple(features.shape)}; its feature_dim asks for "
                f"{expected}",
                key=f"encoders.{name}",
            )
        return features.view(*views.shape[:2], -1)
