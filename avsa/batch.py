"""From stored planes and sound to what the networks see, on the training device.

Legend: B samples, K views, T frames, h and w of a view, C channels, N time steps, F mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avsa.data import RawBatch
from avsa.spectrogram import AudioConfig
from avsa.stats import AudioStats
from avsa.views import ViewConfig, Views


@dataclass(frozen=True)
class Batch:
    """A batch on the training device.

    Attributes:
        video: float32 (B, K, 3, T, h, w), standardized RGB.
        audio: float32 (B, K, C, N, F), standardized spectrograms in each view's frame.
        directions: float32 (B, K, 3), where the views look, in the world.
        views: All that was drawn for the views, on the CPU.
        raw: Keys, positions, times and epoch of the samples (its tensors are not to be used).
    """

    video: Tensor
    audio: Tensor
    directions: Tensor
    views: Views
    raw: RawBatch


def make_batch(
    raw: RawBatch,
    seed: int,
    views: ViewConfig,
    audio: AudioConfig,
    stats: AudioStats,
    device: torch.device | str = "cpu",
) -> Batch:
    """Draw the views of each sample, crop them, and rotate the sound into them.

    All moments of a clip get the same views, so that nothing but time tells them apart.
    """
    raise NotImplementedError
