"""Whether some channels of a sound behave as one sound field, from energies of short frames.

A plane wave s from direction (x, y, z) has W = g s and (X, Y, Z) = s (x, y, z), so X² + Y² + Z² is
W² / g²: once W² for SN3D, twice for FuMa (W stored 3 dB down), three times for N3D. Diffuse sound
and any mix of independent sources keep the same ratio on average. So it is taken in short frames
over the band of speech and music, and the median of the frames is robust against rumble, wind and
single noisy moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SILENT_DBFS = -90.0
SILENT_BELOW_LOUDEST_DB = 60.0
# Recordings and synthetic fields reach 0.95 to 1; film mixes with pauses in the speech 0.5 to 0.8.
FIELD_SHARE = 0.85
_FIELD_RATIOS = (0.3, 2.0)
_FIELD_FACTOR = 3.0
# Frames this much below the loud ones (30 dB) tell nothing.
_HEARD_PART = 1e-3
_BAND_HZ = (150.0, 5000.0)
_WINDOW_S = 0.02


@dataclass(frozen=True)
class FieldFit:
    """How well some channels behave as W and X, Y, Z (in any order) of one sound field.

    Attributes:
        ratio: Energy of the three by the energy of W, the median of short frames; NaN for silence.
        total_ratio: The same of all the sound at once.
        field_share: Part of the frames, in [0, 1], whose ratio is within a factor of 3 of 1.
    """

    ratio: float
    total_ratio: float
    field_share: float

    def looks_like_a_field(self, least_share: float = FIELD_SHARE) -> bool:
        """Whether the four behave as SN3D ambisonics do."""
        low, high = _FIELD_RATIOS
        return low <= self.ratio <= high and self.field_share >= least_share


def channel_levels_dbfs(pieces: Sequence[Samples]) -> NDArray[np.float64]:
    """Return each channel's level (C,) in dB relative to a full-scale square wave; floor -200."""
    count = sum(piece.shape[1] for piece in pieces)
    energy = sum(np.square(piece, dtype=np.float64).sum(axis=1) for piece in pieces)
    return 10 * np.log10(np.maximum(energy / max(count, 1), 1e-20))


def field_fit(
    pieces: Sequence[Samples], sample_rate_hz: int, w: int, xyz: tuple[int, int, int]
) -> FieldFit:
    """Measure how well channel `w` and the channels `xyz` behave as one sound field."""
    frames = [_frame_energies(piece[[w, *xyz]], sample_rate_hz) for piece in pieces]
    energies = np.concatenate(frames, axis=1)
    w_energy, xyz_energy = energies[0], energies[1:].sum(axis=0)
    energy = w_energy + xyz_energy
    if w_energy.sum() <= 0:
        return FieldFit(float("nan"), float("nan"), 0.0)
    ratios = xyz_energy / np.maximum(w_energy, 1e-30)
    near_one = (ratios > 1 / _FIELD_FACTOR) & (ratios < _FIELD_FACTOR)
    return FieldFit(
        ratio=float(np.median(ratios[energy >= np.quantile(energy, 0.4)])),
        total_ratio=float(xyz_energy.sum() / w_energy.sum()),
        field_share=float(near_one[energy > _HEARD_PART * np.quantile(energy, 0.95)].mean()),
    )


def silent_channels(pieces: Sequence[Samples]) -> NDArray[np.bool_]:
    """Return which channels (C,) are silent, or nearly so beside the loudest."""
    levels = channel_levels_dbfs(pieces)
    return (levels < SILENT_DBFS) | (levels < levels.max() - SILENT_BELOW_LOUDEST_DB)


def _frame_energies(
    samples: Samples, rate: int, band_hz: tuple[float, float] = _BAND_HZ
) -> NDArray[np.float64]:
    """Return the energy (C, N) of short frames in a band of frequencies."""
    size = max(round(_WINDOW_S * rate), 16)
    if samples.shape[1] < size:
        samples = np.pad(samples, ((0, 0), (0, size - samples.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[:, :: size // 2]
    spectrum = np.fft.rfft(frames * np.hanning(size), axis=-1)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    band = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    return np.square(np.abs(spectrum[..., band])).sum(axis=-1)


def band_levels_db(
    pieces: Sequence[Samples], sample_rate_hz: int, band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """Return each channel's level (C,) in a band of frequencies, in dB of any reference."""
    energy = sum(_frame_energies(piece, sample_rate_hz, band_hz).sum(axis=1) for piece in pieces)
    return 10 * np.log10(np.maximum(energy, 1e-20))
