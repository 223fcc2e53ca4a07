"""The segmentation head: learned pooling over time, a feature pyramid, and a semantic branch.

A. Kirillov et al., "Panoptic Feature Pyramid Networks" (CVPR 2019), section 3, on the maps of a
video encoder, as in section 5.3 of "Learning Representations from Audio-Visual Spatial Alignment"
(Morgado et al., NeurIPS 2020).

Shapes: N views, C channels, T time steps, h and w of a map, E conditioning features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

PYRAMID_WIDTH, BRANCH_WIDTH, GROUPS = 256, 128, 32
WEIGHT_STD = 0.001
"""Standard deviation of the initial weights of convolutions; biases start at 0."""


class SegmentationHead(nn.Module):
    """Maps of all stages of a video encoder to class scores.

    Args:
        shapes: (C, T) of the map of each stage, the finest first.
        conditioning: E, features that are concatenated to the last map.
        num_classes: Number of classes.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, int]], conditioning: int, num_classes: int
    ) -> None:
        super().__init__()
        self.time_weights = nn.ParameterList(torch.full((t,), 1 / t) for _, t in shapes)
        widths = [channels for channels, _ in shapes]
        widths[-1] += conditioning
        self.pyramid = SemanticPyramid(widths, num_classes)

    def forward(self, maps: Sequence[Tensor], conditioning: Tensor, size: Sequence[int]) -> Tensor:
        """Return scores (N, classes, *size).

        Args:
            maps: (N, C, T, h, w) of each stage, the finest first.
            conditioning: (N, E), tiled over the last map.
            size: Height and width of the result.
        """
        flat = [
            torch.einsum("ncthw,t->nchw", each, weights.to(each.dtype))
            for each, weights in zip(maps, self.time_weights, strict=True)
        ]
        tiled = conditioning[:, :, None, None].expand(-1, -1, *flat[-1].shape[-2:])
        flat[-1] = torch.cat([flat[-1], tiled.to(flat[-1].dtype)], 1)
        return interpolate(self.pyramid(flat), tuple(size), mode="bilinear")


class SemanticPyramid(nn.Module):
    """Maps (N, C, h, w) of several scales to class scores at the finest scale.

    A 1 x 1 convolution brings every map to 256 channels; coarse maps are added to finer ones from
    the top down, and a 3 x 3 convolution follows. The branch of level i, counted from the finest,
    consists of i blocks (3 x 3 convolution to 128 channels, group norm, ReLU), each followed by
    bilinear upsampling by 2; level 0 has one block without upsampling. The sum of the branches
    passes through a 1 x 1 convolution to the classes.

    Args:
        widths: Channels of the maps, the finest first.
        num_classes: Number of classes.
    """

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(each, PYRAMID_WIDTH, 1) for each in widths)
        self.output = nn.ModuleList(
            nn.Conv2d(PYRAMID_WIDTH, PYRAMID_WIDTH, 3, padding=1) for _ in widths
        )
        self.branches = nn.ModuleList(_branch(max(1, level)) for level in range(len(widths)))
        self.predictor = nn.Conv2d(BRANCH_WIDTH, num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, WEIGHT_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return scores (N, classes, h, w) at the size of the first map."""
        sizes = [each.shape[-2:] for each in maps]
        levels = [lateral(each) for lateral, each in zip(self.lateral, maps, strict=True)]
        for finer in reversed(range(len(maps) - 1)):
            levels[finer] = levels[finer] + interpolate(levels[finer + 1], sizes[finer])
        finest = []
        for level, (output, branch) in enumerate(zip(self.output, self.branches, strict=True)):
            x = output(levels[level])
            for number, block in enumerate(cast(nn.ModuleList, branch)):
                x = block(x)
                if level:
                    x = interpolate(x, sizes[level - 1 - number], mode="bilinear")
            finest.append(x)
        scores: Tensor = self.predictor(sum(finest))
        return scores


def _branch(blocks: int) -> nn.ModuleList:
    widths = [PYRAMID_WIDTH, *[BRANCH_WIDTH] * blocks]
    return nn.ModuleList(
        nn.Sequential(
            nn.Conv2d(inputs, BRANCH_WIDTH, 3, padding=1, bias=False),
            nn.GroupNorm(GROUPS, BRANCH_WIDTH),
            nn.ReLU(inplace=True),
        )
        for inputs in widths[:-1]
    )
