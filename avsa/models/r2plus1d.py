"""R(2+1)D, the encoder of video.

Layer names and layout are those of the weights published with "Learning Representations from
Audio-Visual Spatial Alignment" (Morgado et al., NeurIPS 2020), so their state dicts load unchanged.
No convolution has a bias, because a batch norm follows each sum.

Shapes: B batch, T frames, H height, W width, D features.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avsa.models.base import StagedEncoderConfig
from avsa.models.planar_conv import FactorizedConv3d
from yt360.config import config_class


@config_class
class R2Plus1DConfig(StagedEncoderConfig):
    """R(2+1)D, a 3-D residual network with factorized convolutions."""

    kind: Literal["r2plus1d"] = "r2plus1d"
    """Name of the encoder."""
    num_stages: Annotated[int, Field(ge=1, le=8)] = 4
    """Residual stages; every one but the first halves time and space."""
    blocks_per_stage: Annotated[int, Field(ge=1, le=32)] = 2
    """Residual blocks in a stage: 2 makes 18 layers, 1 makes 10."""

    def build(self) -> R2Plus1D:
        """Return the network with new weights."""
        return R2Plus1D(self)


class R2Plus1D(nn.Module):
    """R(2+1)D: standardized RGB (B, 3, T, H, W) to features (B, D).

    The stem is a 3x7x7 convolution with spatial stride 2. Each 3x3x3 convolution of a residual
    network is split into a spatial (1, 3, 3) and a temporal (3, 1, 1) one whose middle width equals
    the output width. Features are the maximum over time and space.
    """

    def __init__(self, config: R2Plus1DConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Sequential(
            FactorizedConv3d(3, config.base_channels, (3, 7, 7), (1, 2, 2), (1, 3, 3)),
            nn.BatchNorm3d(config.base_channels),
            nn.ReLU(inplace=True),
        )
        channels = config.base_channels
        self.stage_names = [f"conv{stage + 2}x" for stage in range(config.num_stages)]
        for stage, name in enumerate(self.stage_names):
            width, stride = config.base_channels * 2**stage, 1 if stage == 0 else 2
            blocks = [ResidualBlock(channels, width, stride)]
            blocks += [ResidualBlock(width, width, 1) for _ in range(config.blocks_per_stage - 1)]
            self.add_module(name, nn.Sequential(*blocks))
            channels = width

    def forward_maps(self, video: Tensor) -> list[Tensor]:
        """Return the maps (B, width * 2**i, T_i, H_i, W_i) of every stage i, first to last."""
        maps = [self.conv1(video)]
        for name in self.stage_names:
            maps.append(self.get_submodule(name)(maps[-1]))
        return maps[1:]

    def forward(self, video: Tensor) -> Tensor:
        """Return features (B, D) of standardized RGB (B, 3, T, H, W)."""
        return self.forward_maps(video)[-1].amax(dim=(2, 3, 4))


class ResidualBlock(nn.Module):
    """Two (1, 3, 3) + (3, 1, 1) convolutions and a shortcut; the last norm acts on their sum.

    The spatial convolution carries the spatial stride and the temporal one the temporal stride.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        spatial, temporal = (1, stride, stride), (stride, 1, 1)
        self.spt_conv1 = _spatial_conv(in_channels, channels, spatial)
        self.spt_bn1 = nn.BatchNorm3d(channels)
        self.tmp_conv1 = _temporal_conv(channels, temporal)
        self.tmp_bn1 = nn.BatchNorm3d(channels)
        self.spt_conv2 = _spatial_conv(channels, channels, (1, 1, 1))
        self.spt_bn2 = nn.BatchNorm3d(channels)
        self.tmp_conv2 = _temporal_conv(channels, (1, 1, 1))
        self.out_bn = nn.BatchNorm3d(channels)
        self.res_conv: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            strides = stride, stride, stride
            self.res_conv = FactorizedConv3d(in_channels, channels, (1, 1, 1), strides)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, T', H', W') of (B, in_channels, T, H, W)."""
        y = torch.relu(self.spt_bn1(self.spt_conv1(x)))
        y = torch.relu(self.tmp_bn1(self.tmp_conv1(y)))
        y = torch.relu(self.spt_bn2(self.spt_conv2(y)))
        return torch.relu(self.out_bn(self.tmp_conv2(y) + self.res_conv(x)))


def _spatial_conv(
    in_channels: int, channels: int, stride: tuple[int, int, int]
) -> FactorizedConv3d:
    return FactorizedConv3d(in_channels, channels, (1, 3, 3), stride, padding=(0, 1, 1))


def _temporal_conv(channels: int, stride: tuple[int, int, int]) -> FactorizedConv3d:
    return FactorizedConv3d(channels, channels, (3, 1, 1), stride, padding=(1, 0, 0))
