"""Log-mel spectrograms of views: one STFT per clip, rotated to each view.

Shapes: B batch size, K views, C channels, N time steps, F mel bands, S samples, Q frequency bins.

The rotation of the sound field is constant over time, so it commutes with the STFT: four transforms
per clip serve all views, and W, which is invariant to rotation, is computed once. Spectra are
stored as real and imaginary planes, which is faster than complex magnitudes.

Parameters follow Morgado et al., section 4: 128 Slaney mel bands of the magnitude of the STFT
(21 ms Hann windows every 10 ms, reflection padding) in dB. An absolute and a relative floor
limit the levels (`AudioConfig.min_db`, `AudioConfig.top_db`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad

from yt360.config import config_class, conflict
from yt360.errors import UserError

Channels = Literal["ambix", "ambix+intensity", "mono", "stereo"]
NUM_CHANNELS: dict[Channels, int] = {"ambix": 4, "ambix+intensity": 7, "mono": 1, "stereo": 2}

# Minimum energy in the denominator of the intensity.
MIN_ENERGY = 1e-10
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


def view_spectrograms(
    audio: Tensor,
    rotations: Tensor,
    config: AudioConfig,
    mean_db: Tensor,
    std_db: Tensor,
    gain_db: Tensor | None = None,
) -> Tensor:
    """Return the standardized spectrograms of each view, on the device of the audio.

    Args:
        audio: ambiX (B, 4, S), int16 or float in [-1, 1]; S is more than half a window.
        rotations: (B, K, 3, 3) from world to view coordinates (`Views.rotations`).
        config: Spectrogram configuration.
        mean_db: (F,) mean of the log-mels (`avsa.views.audio_statistics`).
        std_db: (F,) standard deviation of the log-mels.
        gain_db: (B, K) gain, or None.

    Returns:
        float32 (B, K, C, N, F). Log-mels are standardized; intensity vectors, in [-1, 1], are not.
    """
    device = audio.device
    mean_db, std_db = (each.to(device, non_blocking=True) for each in (mean_db, std_db))
    rotations = rotations.to(device, non_blocking=True)
    scale, shifts = 1 / std_db, (-mean_db / std_db).expand(*rotations.shape[:2], -1)
    if gain_db is not None:
        shifts = shifts + gain_db.to(device, non_blocking=True)[..., None] / std_db
    steps = config.steps(audio.shape[-1])
    shape = (*rotations.shape[:2], config.num_channels, steps, config.n_mels)
    spectrograms = torch.empty(shape, device=device)
    if device.type != "cpu":
        _fill(spectrograms, audio, rotations, config, scale, shifts)
        return spectrograms
    # Processing one sample at a time keeps its spectra in the CPU caches.
    for b in range(len(audio)):
        _fill(spectrograms[b], audio[b], rotations[b], config, scale, shifts[b])
    return spectrograms


def log_mels(audio: Tensor, config: AudioConfig) -> Tensor:
    """Return the log-mels in dB (B, 4, N, F) of W, Y, Z and X, without rotation.

    Args:
        audio: ambiX (B, 4, S), int16 or float in [-1, 1].
        config: Spectrogram configuration.
    """
    real, imaginary = stft(audio, config)
    magnitude = torch.hypot(real, imaginary)
    levels = _to_mel(magnitude, config).clamp_(min=config.min_magnitude).log10_().mul_(20)
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


def stft(audio: Tensor, config: AudioConfig) -> tuple[Tensor, Tensor]:
    """Return the real and imaginary parts (..., N, Q) of the STFT of audio (..., S).

    Windows are centred on multiples of the hop length, with reflection padding.
    """
    steps = config.steps(audio.shape[-1])
    dtype = config.transform_dtype
    window = torch.hann_window(config.n_fft, dtype=dtype, device=audio.device)
    if not audio.is_floating_point():
        window = window / INT16_SCALE
    audio = audio.to(dtype)
    half = config.n_fft // 2
    before, after = audio[..., 1 : half + 1].flip(-1), audio[..., -half - 1 : -1].flip(-1)
    reflected = torch.cat([before, audio, after], -1)
    frames = reflected.unfold(-1, config.n_fft, config.hop_length)[..., :steps, :]
    spectrum = torch.fft.rfft(frames * window)
    return spectrum.real, spectrum.imag


def _fill(
    spectrograms: Tensor,
    audio: Tensor,
    rotations: Tensor,
    config: AudioConfig,
    scale: Tensor,
    shifts: Tensor,
) -> None:
    """Write (..., K, C, N, F): log-mels in dB times `scale` (F,) plus `shifts` (..., K, F)."""
    real, imaginary = (plane.contiguous() for plane in stft(audio, config))
    mixing = _mixing(rotations.to(real.dtype), config.channels)
    mixed = mixing @ real.flatten(-2)
    mixed_imaginary = mixing @ imaginary.flatten(-2)
    magnitude = mixed.mul_(mixed).addcmul_(mixed_imaginary, mixed_imaginary).sqrt_()
    mel = _to_mel(magnitude.unflatten(-1, real.shape[-2:]), config)
    # The factor 20 of the conversion to decibels is part of the standardization.
    levels = mel.clamp_(min=config.min_magnitude).log10_()
    channels = _as_channels(levels, rotations.shape[-3], config.channels)
    peaks = [each.amax((-2, -1), keepdim=True) for each in channels]
    if config.peak == "view":
        peak = torch.cat(peaks, -3).amax(-3, keepdim=True)
        peaks = [peak] * len(channels)
    shifts, scale, filled = shifts[..., None, None, :], scale * 20, 0
    for each, peak in zip(channels, peaks, strict=True):
        out = spectrograms[..., filled : filled + each.shape[-3], :, :]
        torch.addcmul(shifts, torch.maximum(each, peak - config.top_db / 20), scale, out=out)
        filled += each.shape[-3]
    if config.channels == "ambix+intensity":
        spectrograms[..., filled:, :, :] = _intensity(real, imaginary, rotations, config)


def _mixing(rotations: Tensor, inputs: Channels) -> Tensor:
    """Return the matrices (..., U, 4) that mix W, Y, Z, X to the U signals of all views.

    W is the same in all views and therefore one signal; see `_as_channels` for the order.
    """
    omni = rotations.new_zeros(*rotations.shape[:-3], 1, 4)
    omni[..., 0] = 1
    if inputs == "mono":
        return omni
    steered = pad(_in_channel_order(rotations), (1, 0))
    if inputs == "stereo":
        sides = omni[..., None, :, :] + torch.stack([steered[..., 0, :], -steered[..., 0, :]], -2)
        return 0.5 * sides.flatten(-3, -2)
    return torch.cat([omni, steered.flatten(-3, -2)], -2)


def _as_channels(levels: Tensor, num_views: int, inputs: Channels) -> list[Tensor]:
    """Return the signals (..., U, N, F) of `_mixing` as the channels (..., K, c, N, F) of views."""
    if inputs == "stereo":
        return [levels.unflatten(-3, (num_views, 2))]
    omni = levels[..., None, :1, :, :].expand(*levels.shape[:-3], num_views, 1, *levels.shape[-2:])
    if inputs == "mono":
        return [omni]
    return [omni, levels[..., 1:, :, :].unflatten(-3, (num_views, 3))]


def _in_channel_order(rotations: Tensor) -> Tensor:
    """Permute matrices for (x, y, z) to matrices for (y, z, x)."""
    return rotations.roll((-1, -1), (-2, -1))


def _intensity(real: Tensor, imaginary: Tensor, rotations: Tensor, config: AudioConfig) -> Tensor:
    """Return the normalized intensity vector of each mel band, in the coordinates of each view.

    The active intensity Re(W* [Y, Z, X]) is divided by the energy (|W|² + |Y|² + |Z|² + |X|²) / 2,
    both summed over the band. The result is a unit vector for one plane wave and shorter for
    several waves or a diffuse field. Both sums are computed once per clip; only the vectors of the
    bands are rotated. (Perotin et al., "CRNN-based multiple DoA estimation using acoustic intensity
    features", 2019.)

    Returns:
        (..., K, 3, N, F): y, z, x, each in [-1, 1].
    """
    intensity = real[..., :1, :, :] * real[..., 1:, :, :]
    intensity.addcmul_(imaginary[..., :1, :, :], imaginary[..., 1:, :, :])
    energy = 0.5 * (real.square() + imaginary.square()).sum(-3, keepdim=True)
    mel = _to_mel(torch.cat([intensity, energy], -3), config)
    vector = mel[..., :3, :, :] / mel[..., 3:, :, :].clamp(min=MIN_ENERGY)
    rotated = _in_channel_order(rotations).flatten(-3, -2) @ vector.flatten(-2)
    return rotated.view(*rotations.shape[:-1], *vector.shape[-2:])


def _to_mel(spectrum: Tensor, config: AudioConfig) -> Tensor:
    """Sum (..., Q) into mel bands (..., F), float32."""
    rows = spectrum.reshape(-1, spectrum.shape[-1]).float()
    mel = rows.new_empty(len(rows), config.n_mels)
    for bands, bins, weights in _mel_blocks(config, spectrum.device):
        torch.mm(rows[:, bins], weights, out=mel[:, bands])
    return mel.view(*spectrum.shape[:-1], config.n_mels)


@lru_cache(maxsize=8)
def _mel_blocks(config: AudioConfig, device: torch.device) -> list[tuple[slice, slice, Tensor]]:
    """Return librosa's mel filter bank as blocks of adjacent bands: bands, bins, weights.

    On the CPU, blocks save most of the multiplications by zero; on a GPU one block is faster.
    """
    from librosa.filters import mel  # a slow import

    with warnings.catch_warnings():
        # Bands narrower than a bin may be empty and stay at `min_db`, as in the published code.
        warnings.filterwarnings("ignore", "Empty filters detected")
        filters = mel(
            sr=config.sample_rate_hz, n_fft=config.n_fft, n_mels=config.n_mels, dtype=np.float64
        )
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
