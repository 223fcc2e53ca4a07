"""Log-mel spectrograms of views: one STFT a clip, rotated into each view.

Legend: B batch, K views, C channels, N time steps, F mel bands, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

CHANNELS = {"ambix": 4, "ambix+intensity": 7, "mono": 1, "stereo": 2}


@dataclass(frozen=True, kw_only=True)
class AudioConfig:
    """The audio network's input."""

    sample_rate_hz: int = 24000
    """Of the stored sound."""
    window: int = 512
    """Samples of an STFT window (21 ms), Hann."""
    hop: int = 240
    """Samples between windows (10 ms)."""
    bands: int = 128
    """Slaney mel bands, from 0 to half the sample rate."""
    floor_db: float = 100.0
    """Levels are cut this far under the sample's peak."""
    inputs: Literal["ambix", "ambix+intensity", "mono", "stereo"] = "ambix"
    """ambix: log-mels of W, Y, Z, X in the view's frame; +intensity: and of each mel band the
    direction that its energy flows from (y, z, x); mono: W; stereo: cardioids to the left and right
    of the view."""

    @property
    def channels(self) -> int:
        """C, the channels of a spectrogram."""
        return CHANNELS[self.inputs]


def view_spectrograms(
    sound: Tensor, rotations: Tensor, config: AudioConfig, mean_db: Tensor, std_db: Tensor
) -> Tensor:
    """Return the standardized spectrograms (B, K, C, N, F) of each view.

    Args:
        sound: ambiX (B, 4, S), int16 or float.
        rotations: (B, K, 3, 3) from the world into each view's frame (`Views.rotations`).
        config: The spectrogram's parameters.
        mean_db: (F,) from `avsa.stats`.
        std_db: (F,).
    """
    raise NotImplementedError
