"""Spectrograms of the views of a clip: one STFT per clip, rotated to each view.

Shapes: B batch size, K views, C channels, N time steps, F mel bands, S samples, Q frequency bins,
U signals of all views.

The rotation of the sound field is constant over time, so it commutes with the STFT: four transforms
per clip serve all views, and W, which is invariant to rotation, is computed once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from avsa.views.spectrogram import (
    AudioConfig,
    Channels,
    magnitude,
    mel_levels,
    stft,
    to_mel,
)

# Minimum energy in the denominator of the intensity.
MIN_ENERGY = 1e-10


def view_spectrograms(
    audio: Tensor,
    rotations: Tensor,
    config: AudioConfig,
    mean_db: Tensor,
    std_db: Tensor,
    gain_db: Tensor | None = None,
    at_once: int | None = None,
) -> Tensor:
    """Return the standardized spectrograms of each view, on the device of the audio.

    Args:
        audio: ambiX (B, 4, S), int16 or float in [-1, 1]; S is more than half a window.
        rotations: (B, K, 3, 3) from world to view coordinates (`Views.rotations`).
        config: Spectrogram configuration.
        mean_db: (F,) mean of the log-mels (`avsa.views.audio_statistics`).
        std_db: (F,) standard deviation of the log-mels.
        gain_db: (B, K) gain, or None.
        at_once: Number of samples that are transformed together. By default one on the CPU, whose
            caches hold the spectra of one, and all on other devices.

    Returns:
        float32 (B, K, C, N, F). Log-mels are standardized; intensity vectors, in [-1, 1], are not.
    """
    device = audio.device
    rotations, mean_db, std_db = (
        each.to(device, non_blocking=True) for each in (rotations, mean_db, std_db)
    )
    # The factor 20 of the conversion to decibels is part of the standardization.
    scale, shifts = 20 / std_db, (-mean_db / std_db).expand(*rotations.shape[:2], -1)
    if gain_db is not None:
        shifts = shifts + gain_db.to(device, non_blocking=True)[..., None] / std_db
    mixing = _mixing(rotations.to(config.transform_dtype), config.channels)
    steps = config.steps(audio.shape[-1])
    shape = (*rotations.shape[:2], config.num_channels, steps, config.n_mels)
    spectrograms = torch.empty(shape, device=device)
    if at_once is None:
        at_once = 1 if device.type == "cpu" else max(1, len(audio))
    for part in (slice(first, first + at_once) for first in range(0, len(audio), at_once)):
        spectrum = stft(audio[part], config)
        levels = mel_levels(_mix(mixing[part], spectrum), config)
        num_levels = _standardize(levels, config, scale, shifts[part], out=spectrograms[part])
        if config.channels == "ambix+intensity":
            vectors = _intensity(spectrum, rotations[part], config)
            spectrograms[part, :, num_levels:] = vectors
    return spectrograms


def _mix(mixing: Tensor, spectrum: Tensor) -> Tensor:
    """Mix the complex spectra (..., 4, N, Q) by real matrices (..., U, 4) to (..., U, N, Q)."""
    mixed = mixing @ torch.view_as_real(spectrum).flatten(-3)
    return torch.view_as_complex(mixed.unflatten(-1, (*spectrum.shape[-2:], 2)))


def _standardize(
    levels: Tensor, config: AudioConfig, scale: Tensor, shifts: Tensor, out: Tensor
) -> int:
    """Write the levels of the signals (B, U, N, F) to the channels of views (B, K, C, N, F).

    Levels are raised to the relative floor, multiplied by `scale` (F,), and `shifts` (B, K, F) are
    added.

    Returns:
        The number of channels that were written.
    """
    num_views, shifts, filled = shifts.shape[-2], shifts[..., None, None, :], 0
    for each in _as_channels(levels, num_views, config.channels):
        torch.addcmul(shifts, each, scale, out=out[:, :, filled : filled + each.shape[-3]])
        filled += each.shape[-3]
    peaks = levels.flatten(-2).amax(-1)[..., None, None]
    peaks = torch.cat(_as_channels(peaks, num_views, config.channels), -3)
    if config.peak == "view":
        peaks = peaks.amax(-3, keepdim=True)
    floors = torch.addcmul(shifts, peaks - config.top_db / 20, scale)
    out = out[:, :, :filled]
    torch.maximum(out, floors, out=out)
    return filled


def _mixing(rotations: Tensor, inputs: Channels) -> Tensor:
    """Return the matrices (..., U, 4) that mix W, Y, Z, X to the U signals of all views.

    W is the same in all views and therefore one signal; see `_as_channels` for the order.
    """
    steered = _in_channel_order(rotations).flatten(-3, -2)
    if inputs == "mono":
        mixing = rotations.new_zeros(*rotations.shape[:-3], 1, 4)
        mixing[..., 0] = 1
    elif inputs == "stereo":
        toward_left = steered[..., ::3, :]
        mixing = rotations.new_full((*rotations.shape[:-2], 2, 4), 0.5)
        mixing[..., 0, 1:] = 0.5 * toward_left
        mixing[..., 1, 1:] = -0.5 * toward_left
        mixing = mixing.flatten(-3, -2)
    else:
        mixing = pad(steered, (1, 0, 1, 0))
        mixing[..., 0, 0] = 1
    return mixing


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


def _intensity(spectrum: Tensor, rotations: Tensor, config: AudioConfig) -> Tensor:
    """Return the normalized intensity vector of each mel band, in the coordinates of each view.

    The active intensity Re(W* [Y, Z, X]) is divided by the energy (|W|² + |Y|² + |Z|² + |X|²) / 2,
    both summed over the band. The result is a unit vector for one plane wave and shorter for
    several waves or a diffuse field. Both sums are computed once per clip; only the vectors of the
    bands are rotated. (Perotin et al., "CRNN-based multiple DoA estimation using acoustic intensity
    features", 2019.)

    Returns:
        (..., K, 3, N, F): y, z, x, each in [-1, 1].
    """
    intensity = (spectrum[..., :1, :, :].conj() * spectrum[..., 1:, :, :]).real
    energy = 0.5 * magnitude(spectrum).square().sum(-3, keepdim=True)
    mel = to_mel(torch.cat([intensity, energy], -3), config)
    vector = mel[..., :3, :, :] / mel[..., 3:, :, :].clamp(min=MIN_ENERGY)
    rotated = _in_channel_order(rotations).flatten(-3, -2) @ vector.flatten(-2)
    return rotated.view(*rotations.shape[:-1], *vector.shape[-2:])
