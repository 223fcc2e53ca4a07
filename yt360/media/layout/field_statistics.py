"""Statistics that show whether four channels are a sound field, and its normalization.

A plane wave s from direction (x, y, z) has W = g s and (X, Y, Z) = s (x, y, z), so the ratio
(X² + Y² + Z²) / W² is 1 / g²: 1 for SN3D, 2 for FuMa (W is stored 3 dB lower), 3 for N3D. A diffuse
field and any mix of independent sources have the same ratio on average.

`field_fit` computes the median ratio of short frames in the band of speech and music, which is
robust to rumble, wind and short noise. `field_shape` measures the ratio in each octave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.quantiles import median, quantile

Samples = NDArray[np.float32]
Array = NDArray[np.float64]

SILENT_DBFS = -90.0
SILENT_BELOW_LOUDEST_DB = 60.0
# Recordings and synthetic fields have 0.95 to 1; film mixes with pauses in speech 0.5 to 0.8.
FIELD_FRACTION = 0.85
_FIELD_RATIOS = (0.3, 2.0)
_FIELD_FACTOR = 3.0
# Frames more than 30 dB below loud frames are ignored.
_AUDIBLE_FRACTION = 1e-3
_BAND_HZ = (150.0, 5000.0)
_WINDOW_S = 0.02

# 150 to 4800 Hz: wind dominates below, and spatial aliasing of the capsules above.
_OCTAVES = slice(5)
_MIN_OCTAVES = 4
_ACTIVE_RANGE_DB = 25.0
_INACTIVE_DBFS = -85.0
_MIN_SEGMENTS = 3
# Tolerances of the ratio that software leaves, in every octave and on average. Six seconds of noise
# have 0.25 dB. A recording whose W was lowered by 3 dB differs by 0.9 dB in some octave.
_EXACT_OCTAVE_DB, _EXACT_MEAN_DB = 0.3, 0.15
# In a recording, X is at most 3 dB weaker than an audible Z. The Z of a horizontal recorder is
# silent, or 30 dB down after coding.
_SILENT_DB = 18.0
_AUDIBLE_DB = -30.0


@dataclass(frozen=True)
class FieldFit:
    """Fit of four channels to W and X, Y, Z (in any order) of a sound field.

    Attributes:
        ratio: Median over short frames of the energy of X, Y, Z over the energy of W; NaN for
            silence.
        total_ratio: The same ratio over the whole audio.
        field_fraction: Fraction of frames, in [0, 1], whose ratio is within a factor of 3 of 1.
    """

    ratio: float
    total_ratio: float
    field_fraction: float

    def is_sound_field(self, min_fraction: float = FIELD_FRACTION) -> bool:
        """Return whether the four channels fit SN3D ambisonics."""
        low, high = _FIELD_RATIOS
        return low <= self.ratio <= high and self.field_fraction >= min_fraction


def field_fit(
    pieces: Sequence[Samples], sample_rate_hz: int, w: int, xyz: tuple[int, int, int]
) -> FieldFit:
    """Measure the fit of channels `w` and `xyz` to a sound field."""
    frames = [_frame_energies(piece[[w, *xyz]], sample_rate_hz) for piece in pieces]
    energies = np.concatenate(frames, axis=1)
    w_energy, xyz_energy = energies[0], energies[1:].sum(axis=0)
    energy = w_energy + xyz_energy
    if w_energy.sum() <= 0:
        return FieldFit(float("nan"), float("nan"), 0.0)
    ratios = xyz_energy / np.maximum(w_energy, 1e-30)
    near_one = (ratios > 1 / _FIELD_FACTOR) & (ratios < _FIELD_FACTOR)
    audible = energy > _AUDIBLE_FRACTION * quantile(energy, 0.95)
    return FieldFit(
        ratio=median(ratios[energy >= quantile(energy, 0.4)]),
        total_ratio=float(xyz_energy.sum() / w_energy.sum()),
        field_fraction=float(near_one[audible].mean()),
    )


@dataclass(frozen=True)
class FieldShape:
    """Statistics of the four channels of a sound field, independent of the overall gain.

    Attributes:
        ratio_db: (octaves,) median of (X²+Y²+Z²)/W² over segments of a quarter of a second; NaN for
            an octave with too little energy.
        total_ratio_db: (octaves,) ratio of the energy of all segments; NaN as above.
        spread_db: (4,) mean over octaves of the range from the 10th to the 90th percentile of the
            ratio; entry c uses channel c as W.
        levels_db: (4,) levels of W, Y, Z, X relative to W.
        coherence: (4, 4) real part of the coherence, in [-1, 1].
    """

    ratio_db: Array
    total_ratio_db: Array
    spread_db: Array
    levels_db: Array
    coherence: Array

    @property
    def mean_ratio_db(self) -> float:
        """The mean ratio over octaves."""
        return float(np.nanmean(self.ratio_db))

    def is_exactly(self, ratio_db: float) -> bool:
        """Return whether every octave has this ratio, as after a conversion of normalization."""
        off = self.total_ratio_db[np.isfinite(self.total_ratio_db)] - ratio_db
        if len(off) < _MIN_OCTAVES:
            return False
        return bool(np.abs(off).max() <= _EXACT_OCTAVE_DB and abs(off.mean()) <= _EXACT_MEAN_DB)

    @property
    def silent_last_db(self) -> float | None:
        """How far the last channel is below the third, if silent: Z in the order W X Y Z.

        A recorder that hears Z hears X, by reflections if no source is in front or behind.
        """
        _, _, third, last = self.levels_db
        is_silent = third > _AUDIBLE_DB and last < third - _SILENT_DB
        return float(third - last) if is_silent else None


def field_shape(
    pieces: Sequence[Samples], sample_rate_hz: int, channels: Sequence[int]
) -> FieldShape | None:
    """Measure a sound field; return None if there is too little audio.

    Args:
        pieces: Excerpts (C, S) of decoded audio.
        sample_rate_hz: Sample rate.
        channels: Indices of the channels W, Y, Z and X.
    """
    segments = [
        segment
        for piece in pieces
        for segment in FieldAnalyzer(sample_rate_hz).feed(piece[list(channels)])
    ]
    if not segments:
        return None
    covariance = np.stack([each.covariance[_OCTAVES] for each in segments]).astype(np.complex128)
    power = np.einsum("tbcc->tbc", covariance).real
    total_db = _decibels(power.sum(axis=2))
    active = total_db > np.maximum(total_db.max(axis=0) - _ACTIVE_RANGE_DB, _INACTIVE_DBFS)
    if active.sum(axis=0).max() < _MIN_SEGMENTS or power[..., 0].max() <= 0:
        return None
    rest = power.sum(axis=2, keepdims=True) - power
    ratios = _decibels(rest) - _decibels(power)  # (segments, octaves, channel used as W)
    medians, spreads = [], []
    for octave in range(active.shape[1]):
        found = ratios[active[:, octave], octave]
        if len(found) < _MIN_SEGMENTS:
            medians.append(np.nan)
            continue
        medians.append(median(found[:, 0]))
        low, high = (quantile(found, fraction) for fraction in (0.1, 0.9))
        spreads.append(high - low)
    normalized = covariance[active] / power[active].sum(axis=1)[:, None, None]
    mean = normalized.mean(axis=0)
    levels = np.maximum(np.diagonal(mean).real, 1e-12)
    total = (power * active[..., None]).sum(axis=0)
    total_ratio_db = _decibels(total[:, 1:].sum(axis=1)) - _decibels(total[:, 0])
    return FieldShape(
        ratio_db=np.array(medians),
        total_ratio_db=np.where(np.isnan(medians), np.nan, total_ratio_db),
        spread_db=np.mean(spreads, axis=0),
        levels_db=_decibels(levels / levels[0]),
        coherence=mean.real / np.sqrt(np.outer(levels, levels)),
    )


def channel_levels_dbfs(pieces: Sequence[Samples]) -> Array:
    """Return the channel levels (C,) in dB relative to a full-scale square wave, at least -200."""
    count = sum(piece.shape[1] for piece in pieces)
    energy = sum(np.square(piece, dtype=np.float64).sum(axis=1) for piece in pieces)
    return _decibels(energy / max(count, 1))


def band_levels_db(
    pieces: Sequence[Samples], sample_rate_hz: int, band_hz: tuple[float, float]
) -> Array:
    """Return the channel levels (C,) in a frequency band, in dB with an arbitrary reference."""
    energy = sum(_frame_energies(piece, sample_rate_hz, band_hz).sum(axis=1) for piece in pieces)
    return _decibels(np.asarray(energy))


def silent_channels(pieces: Sequence[Samples]) -> NDArray[np.bool_]:
    """Return a mask (C,) of the channels that are silent relative to the loudest one."""
    levels = channel_levels_dbfs(pieces)
    return (levels < SILENT_DBFS) | (levels < levels.max() - SILENT_BELOW_LOUDEST_DB)


def _frame_energies(samples: Samples, rate: int, band_hz: tuple[float, float] = _BAND_HZ) -> Array:
    """Return the energy (C, N) of short frames in a frequency band."""
    size = max(round(_WINDOW_S * rate), 16)
    if samples.shape[1] < size:
        samples = np.pad(samples, ((0, 0), (0, size - samples.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[:, :: size // 2]
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    band = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    window = np.hanning(size)
    energies = np.empty(frames.shape[:2])
    for channel, of_channel in enumerate(frames):  # the spectra of all of them take 100 MB
        spectrum = np.fft.rfft(of_channel * window, axis=-1)[:, band]
        energies[channel] = np.square(np.abs(spectrum)).sum(axis=-1)
    return energies


def _decibels(power: Array) -> Array:
    return 10 * np.log10(np.maximum(power, 1e-20))
