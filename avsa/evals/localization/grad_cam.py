"""Grad-CAM: where in a feature map is the evidence for a score.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (ICCV 2017), equations 1 and 2.

Shapes: V views, D channels, (T, h, w) of the feature map.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def grad_cam(maps: Tensor, score_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the Grad-CAM of every view, and its score.

    The weight of a channel is the mean over its positions of the gradient of the sum of all scores.
    Channels are summed with these weights, averaged over time, and negative values set to 0. The
    result has the unit of the score and is not normalized, so that views can be compared.

    Args:
        maps: (V, D, T, h, w), the last feature map.
        score_of: Returns the scores (V,) for feature maps; differentiable.

    Returns:
        Maps (V, h, w), 0 or more, and scores (V,).
    """
    with torch.enable_grad():
        maps = maps.detach().requires_grad_()
        scores = score_of(maps)
        (gradient,) = torch.autograd.grad(scores.sum(), maps)
    weights = gradient.mean((-3, -2, -1), keepdim=True)
    return torch.relu((weights * maps).sum(1).mean(1)).detach(), scores.detach()
