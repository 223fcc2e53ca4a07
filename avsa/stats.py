"""Statistics that standardize log-mels: per mel band, common to the four channels.

Common, because the level relation between the channels carries direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from avsa.spectrogram import AudioConfig

FILE_NAME = "audio_stats.json"


@dataclass(frozen=True)
class AudioStats:
    """Mean and standard deviation (F,) in dB of the log-mels of W, Y, Z and X."""

    mean_db: Tensor
    std_db: Tensor


def measure_stats(
    dataset: Path, config: AudioConfig, samples: int = 1000, seed: int = 0
) -> AudioStats:
    """Measure over random samples of the training split."""
    raise NotImplementedError


def ensure_stats(dataset: Path, config: AudioConfig) -> AudioStats:
    """Return the dataset's statistics; measure and store them when it has none.

    Raises:
        UserError: The stored ones belong to other spectrogram parameters.
    """
    raise NotImplementedError
