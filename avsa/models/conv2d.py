"""The 2-D convolutional network, the encoder of audio.

Layer names and layout are those of the weights published with "Learning Representations from
Audio-Visual Spatial Alignment" (Morgado et al., NeurIPS 2020), so their state dicts load unchanged.
No convolution has a bias, because a batch norm follows each.

Shapes: B batch, C channels, N time steps, F mel bands, D features.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avsa.models.base import StagedEncoderConfig
from yt360.config import config_class


@config_class
class Conv2DConfig(StagedEncoderConfig):
    """A 2-D convolutional network over spectrograms."""

    kind: Literal["conv2d"] = "conv2d"
    """Name of the encoder."""
    num_stages: Annotated[int, Field(ge=1, le=8)] = 4
    """Blocks of two convolutions; all but the first and the last halve the resolution."""

    def build(self, in_channels: int = 4) -> Conv2DEncoder:
        """Return the network with new weights, for spectrograms of so many channels."""
        return Conv2DEncoder(self, in_channels)


class Conv2DEncoder(nn.Module):
    """Convolutions (9 by default): spectrograms (B, C, N, F) to features (B, D).

    A 7x7 stem with stride 2, then blocks of two 3x3 convolutions with strides 1, 2, 2, 1. Features
    are the maximum over time and frequency.

    Args:
        config: Number of channels and stages.
        in_channels: C, the channels of the spectrogram (4 for ambiX).
    """

    def __init__(self, config: Conv2DConfig, in_channels: int = 4) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, config.base_channels, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(config.base_channels),
            nn.ReLU(inplace=True),
        )
        channels = config.base_channels
        self.block_names = [f"block{stage + 1}" for stage in range(config.num_stages)]
        for stage, name in enumerate(self.block_names):
            width, stride = (
                config.base_channels * 2**stage,
                2 if 0 < stage < config.num_stages - 1 else 1,
            )
            self.add_module(name, ConvBlock(channels, width, stride))
            channels = width

    def forward_maps(self, audio: Tensor) -> list[Tensor]:
        """Return the maps (B, width * 2**i, N_i, F_i) of every block i, first to last."""
        maps = [self.conv1(audio)]
        for name in self.block_names:
            maps.append(self.get_submodule(name)(maps[-1]))
        return maps[1:]

    def forward(self, audio: Tensor) -> Tensor:
        """Return features (B, D) of standardized spectrograms (B, C, N, F)."""
        return self.forward_maps(audio)[-1].amax(dim=(2, 3))


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU; the first carries the stride."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, N', F') of (B, in_channels, N, F)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)))
