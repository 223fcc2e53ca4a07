"""ResNet-101 with a feature pyramid: an image becomes feature maps at five scales."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = {"res2": 3, "res3": 4, "res4": 23, "res5": 3}
STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32, "p6": 64}


@dataclass(frozen=True, kw_only=True)
class BackboneWidths:
    """Channels of the backbone; the defaults are those of the published network."""

    stem: int = 64
    bottleneck: int = 64  # inner channels of res2; they double from stage to stage
    res2: int = 256  # outer channels of res2; they double from stage to stage
    fpn: int = 256


class FrozenBatchNorm(nn.Module):
    """Batch norm with fixed statistics (eps 1e-5).

    detectron2's published files may leave out the running statistics: they are then 0 and 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (B, C, H, W) per channel."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=1e-5
        )


class NormedConv(nn.Conv2d):
    """A convolution without bias followed by its `norm` (same padding for odd kernels)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, norm: nn.Module, stride: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, outputs, H / stride, W / stride)."""
        normed: Tensor = self.norm(super().forward(x))
        return normed


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> NormedConv:
    return NormedConv(inputs, outputs, kernel, FrozenBatchNorm(outputs), stride)


class Stem(nn.Module):
    """7 x 7 convolution and max-pool: stride 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(3, channels, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, C, H / 4, W / 4)."""
        return F.max_pool2d(F.relu_(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class Bottleneck(nn.Module):
    """Residual block 1x1, 3x3, 1x1; a stride sits in the first 1x1, as in the original ResNet."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut = _conv(inputs, outputs, 1, stride) if inputs != outputs else None
        self.conv1 = _conv(inputs, inner, 1, stride)
        self.conv2 = _conv(inner, inner, 3)
        self.conv3 = _conv(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out = F.relu_(self.conv1(x))
        out = F.relu_(self.conv2(out))
        out = self.conv3(out)
        out += x if self.shortcut is None else self.shortcut(x)
        return F.relu_(out)


class ResNet101(nn.Module):
    """The bottom-up pathway: stages res2 to res5 at strides 4, 8, 16, 32."""

    def __init__(self, widths: BackboneWidths) -> None:
        super().__init__()
        self.stem = Stem(widths.stem)
        inputs = widths.stem
        for level, (name, blocks) in enumerate(BLOCKS.items()):
            inner, outputs = widths.bottleneck << level, widths.res2 << level
            stage = nn.Sequential()
            for block in range(blocks):
                stride = 2 if block == 0 and level > 0 else 1
                stage.append(Bottleneck(inputs, inner, outputs, stride))
                inputs = outputs
            self.add_module(name, stage)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to the outputs of res2, res3, res4, res5."""
        x = self.stem(x)
        outputs = []
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
            outputs.append(x)
        return outputs


class Backbone(nn.Module):
    """Feature pyramid (Lin et al. 2017) over a ResNet-101.

    `forward` wants sides that are multiples of 32 and returns ``{"p2": ..., "p6": ...}``, each
    (B, fpn, H / stride, W / stride) with `STRIDES`.
    """

    def __init__(self, widths: BackboneWidths) -> None:
        super().__init__()
        self.bottom_up = ResNet101(widths)
        for level in range(4):
            lateral = nn.Conv2d(widths.res2 << level, widths.fpn, 1)
            self.add_module(f"fpn_lateral{level + 2}", lateral)
            self.add_module(
                f"fpn_output{level + 2}", nn.Conv2d(widths.fpn, widths.fpn, 3, padding=1)
            )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map (B, 3, H, W) to the five feature maps."""
        stages = self.bottom_up(x)
        features: dict[str, Tensor] = {}
        above: Tensor | None = None
        for level in (5, 4, 3, 2):
            merged = self.get_submodule(f"fpn_lateral{level}")(stages[level - 2])
            if above is not None:
                merged = merged + F.interpolate(above, scale_factor=2.0, mode="nearest")
            features[f"p{level}"] = self.get_submodule(f"fpn_output{level}")(merged)
            above = merged
        features["p6"] = F.max_pool2d(features["p5"], kernel_size=1, stride=2)
        return {name: features[name] for name in STRIDES}
