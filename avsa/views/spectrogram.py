"""The STFT of a sound field, and its log-mel spectrograms.

Those of views are in `avsa.views.view_spectrograms`.

Shapes: B batch size, C channels, N time steps, F mel bands, S samples, Q frequency bins.

Parameters follow Morgado et al., section 4: 128 Slaney mel bands of the magnitude of the STFT
(21 ms Hann windows every 10 ms, reflection padding) in dB. An absolute and a relative floor
limit the levels (`AudioConfig.min_db`, `AudioConfig.top_db`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from avsa.views.mel_filters import mel_filters
from yt360.config import config_class, conflict
from yt360.errors import UserError

Channels = Literal["ambix", "ambix+intensity", "mono", "stereo"]
NUM_CHANNELS: dict[Channels, int] = {"ambix": 4, "ambix+intensity": 7, "mono": 1, "stereo": 2}

INT16_SCALE = 32768.0
# Rounding errors in float32 are about 140 dB below the peak.
FLOAT32_FLOOR_DB = -140.0
# Number of dense blocks into which the sparse mel matrix is split on the CPU.
MEL_BLOCKS = 8


@config_class
class AudioConfig:
    """Parameters of the spectrograms."""

    sample_rate_hz: Annotated[int, Field(ge=1, le=768_000)] = 24000
    """Sample rate of the stored audio."""
    n_fft: Annotated[int, Field(ge=2, le=1 << 16, multiple_of=2)] = 512
    """Length of the Hann window of the STFT in samples; the default is 21 ms."""
    hop_length: Annotated[int, Field(ge=1, le=1 << 16)] = 240
    """Samples between successive windows, at most `n_fft`; the default is 10 ms."""
    n_mels: Annotated[int, Field(ge=1, le=1024)] = 128
    """Number of Slaney mel bands, from 0 to half the sample rate."""
    min_db: Annotated[float, Field(ge=-300, le=0)] = -100.0
    """Absolute floor of the levels; 0 dB is a magnitude of 1. Below -140 dB, the precision of
    float32, transforms and rotations are computed in float64."""
    top_db: Annotated[float, Field(gt=0, le=1000)] = 100.0
    """Relative floor: levels are at least the peak minus this. The higher of both floors
    applies."""
    peak: Literal["view", "channel"] = "view"
    """Reference of `top_db`: the maximum over all channels of a view, which preserves level
    differences between channels, or the maximum of each channel."""
    drop_last_frame: bool = False
    """Leave out the last window, centred on the end of the audio: N is S // hop_length instead of
    S // hop_length + 1."""
    channels: Channels = "ambix"
    """ambix: log-mels of W, Y, Z, X in the coordinates of the view; ambix+intensity: in addition
    the intensity vector of each mel band (y, z, x); mono: W; stereo: cardioids to the left and
    right of the view."""

    def __post_init__(self) -> None:
        if self.hop_length > self.n_fft:
            raise conflict(
                f"hop_length is {self.hop_length} and n_fft {self.n_fft}; hop_length must be at "
                "most n_fft"
            )

    @property
    def num_channels(self) -> int:
        """C, the number of channels of a spectrogram."""
        return NUM_CHANNELS[self.channels]

    @property
    def transform_dtype(self) -> torch.dtype:
        """Precision of transforms and rotations, whose rounding errors are below `min_db`."""
        return torch.float64 if self.min_db < FLOAT32_FLOOR_DB else torch.float32

    @property
    def min_magnitude(self) -> float:
        """`min_db` as a magnitude."""
        return float(10 ** (self.min_db / 20))

    def steps(self, samples: int) -> int:
        """Return N, the number of time steps of the spectrogram of `samples` samples."""
        return samples // self.hop_length + (0 if self.drop_last_frame else 1)


def log_mels(audio: Tensor, config: AudioConfig) -> Tensor:
    """Return the log-mels in dB (B, 4, N, F) of W, Y, Z and X, without rotation.

    Args:
        audio: ambiX (B, 4, S), int16 or float in [-1, 1].
        config: Spectrogram configuration.
    """
    levels = mel_levels(stft(audio, config), config).mul_(20)
    dims = (-2, -1) if config.peak == "channel" else (-3, -2, -1)
    return torch.maximum(levels, levels.amax(dims, keepdim=True) - config.top_db)


def require_long_audio(config: AudioConfig, samples: int) -> None:
    """Check that audio is long enough for reflection padding and one hop.

    Raises:
        UserError: The audio is too short.
    """
    if samples <= config.n_fft // 2 or not config.steps(samples):
        raise UserError(
            f"the audio of a sample has {samples} samples, but an audio.n_fft of {config.n_fft} "
            f"needs more than {config.n_fft // 2} and audio.hop_length "
            f"{config.hop_length}; lower them, or raise data.audio_duration_s",
            code="out-of-range",
            key="audio.n_fft",
        )


def stft(audio: Tensor, config: AudioConfig) -> Tensor:
    """Return the complex STFT (..., N, Q) of audio (..., S).

    Windows are centred on multiples of the hop length, with reflection padding.
    """
    window = _window(config, audio.is_floating_point(), audio.device)
    return torch.fft.rfft(_frames(audio, config) * window)


def _frames(audio: Tensor, config: AudioConfig) -> Tensor:
    """Return audio (..., S) as overlapping windows (..., N, n_fft), reflected at the ends."""
    half, samples = config.n_fft // 2, audio.shape[-1]
    padded = audio.new_empty((*audio.shape[:-1], samples + 2 * half), dtype=config.transform_dtype)
    padded[..., half:-half] = audio
    padded[..., :half] = audio[..., 1 : half + 1].flip(-1)
    padded[..., -half:] = audio[..., -half - 1 : -1].flip(-1)
    return padded.unfold(-1, config.n_fft, config.hop_length)[..., : config.steps(samples), :]


@lru_cache(maxsize=8)
def _window(config: AudioConfig, is_floating_point: bool, device: torch.device) -> Tensor:
    """Return the Hann window (n_fft,), which also scales 16-bit integers to full scale 1."""
    window = torch.hann_window(config.n_fft, dtype=config.transform_dtype, device=device)
    return window if is_floating_point else window / INT16_SCALE


def magnitude(spectrum: Tensor) -> Tensor:
    """Return the magnitude of a complex tensor."""
    if spectrum.device.type == "cpu":
        # NumPy's is vectorized and takes a sixth of the time of torch's.
        return torch.from_numpy(np.abs(spectrum.numpy()))
    return spectrum.abs()


def mel_levels(spectrum: Tensor, config: AudioConfig) -> Tensor:
    """Return log10 of the mel bands (..., F) of complex spectra (..., Q), at least `min_db`."""
    return to_mel(magnitude(spectrum), config).clamp_(min=config.min_magnitude).log10_()


def to_mel(spectrum: Tensor, config: AudioConfig) -> Tensor:
    """Sum (..., Q) into mel bands (..., F), contiguous float32."""
    rows = spectrum.reshape(-1, spectrum.shape[-1]).float()
    out = rows.new_empty(*spectrum.shape[:-1], config.n_mels)
    mel = out.view(-1, config.n_mels)
    for bands, bins, weights in _mel_blocks(config, spectrum.device):
        torch.mm(rows[:, bins], weights, out=mel[:, bands])
    return out


@lru_cache(maxsize=8)
def _mel_blocks(config: AudioConfig, device: torch.device) -> list[tuple[slice, slice, Tensor]]:
    """Return the mel filters as blocks of adjacent bands: bands, bins, weights.

    On the CPU, blocks save most of the multiplications by zero; on a GPU one block is faster. Bands
    narrower than a bin may be empty and stay at `min_db`, as in the published code.
    """
    filters = mel_filters(config.sample_rate_hz, config.n_fft, config.n_mels)
    matrix = torch.from_numpy(filters.T).float()
    blocks = []
    for first, last in pairwise(_cuts(config.n_mels, MEL_BLOCKS if device.type == "cpu" else 1)):
        used = matrix[:, first:last].any(1).nonzero()
        bins = slice(int(used.min()), int(used.max()) + 1) if len(used) else slice(0, 1)
        weights = matrix[bins, first:last].contiguous().to(device)
        blocks.append((slice(first, last), bins, weights))
    return blocks


def _cuts(bands: int, blocks: int) -> Iterator[int]:
    count = min(blocks, bands)
    return (math.floor(i * bands / count) for i in range(count + 1))
