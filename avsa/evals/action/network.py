"""The network, a video encoder with a linear classifier, and the augmentation of its input.

Shapes: B clips, T frames, (h, w) of a frame, D features, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from avsa.evals.action.windows import ClipShape
from avsa.training.learner import seed_torch
from avsa.views.colors import RGB_MEAN, RGB_STD
from yt360.randomness import keyed_generator

JITTER = (0.4, 0.4, 0.4, 0.2)
"""Strength of brightness, contrast, saturation and hue."""
CROP_AREA = (0.08, 1.0)
"""Fraction of the area of a frame that a random crop has."""


class ActionNetwork(nn.Module):
    """Standardized RGB (B, 3, T, h, w) to logits (B, C).

    Args:
        encoder: Returns features (B, D), the maximum over time and space.
        feature_dim: D.
        num_classes: C.
    """

    def __init__(self, encoder: nn.Module, feature_dim: int, num_classes: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(feature_dim, num_classes)

    def forward(self, video: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return the logits; `keep` (B, D) multiplies the features (`dropout_factors`)."""
        features = self.encoder(video)
        logits: Tensor = self.head(features if keep is None else features * keep)
        return logits.float()


def dropout_factors(dim: int, p: float, *key: int | str) -> Tensor:
    """Return float32 (D,): 0 with probability p, else 1 / (1 - p).

    They are keyed by the sample, unlike those of `nn.Dropout`, so that the number of ranks does not
    change them.
    """
    kept = keyed_generator(*key).random(dim) >= p
    return torch.from_numpy((kept / (1 - p)).astype(np.float32))


class Augmentation:
    """Random crop, mirroring and colour jitter, the same for all frames of a clip."""

    def __init__(self, shape: ClipShape) -> None:
        from torchvision.transforms import v2  # here, because it imports for seconds

        self._transform = v2.Compose(
            [
                v2.RandomResizedCrop((shape.height, shape.width), scale=CROP_AREA, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.ColorJitter(*JITTER),
                v2.Normalize(RGB_MEAN.tolist(), RGB_STD.tolist()),
            ]
        )

    def __call__(self, frames: Tensor, *key: int | str) -> Tensor:
        """Return a clip (3, T, h, w) of stored frames uint8 (T, H, W, 3); the key draws it."""
        with torch.random.fork_rng(devices=[]):
            seed_torch(*key)
            clip: Tensor = self._transform(frames.permute(0, 3, 1, 2))
        return clip.transpose(0, 1)


def standardized(frames: Tensor) -> Tensor:
    """Return float32 (F, 3, H, W) of RGB uint8 (F, H, W, 3)."""
    from torchvision.transforms import v2

    whole = v2.functional.to_dtype(frames.permute(0, 3, 1, 2), torch.float32, scale=True)
    return v2.functional.normalize(whole, RGB_MEAN.tolist(), RGB_STD.tolist())
