"""What the samples say against the layout that a sound stream is believed to have.

The gain of W against X, Y, Z differs by several dB between real microphones and changes with the
frequency, so a level alone contradicts nothing. What does:

- An exact ratio in every octave. A conversion multiplies W by one number: (X²+Y²+Z²)/W² is then
  0 dB (SN3D), 3.01 dB (FuMa) or 4.77 dB (N3D) at all frequencies. Microphones wander.
- Channels in phase. In a sound field the channels of opposite directions cancel on average;
  capsules that face outwards (A-format) all hold the same pressure, with the same sign.
- W that is quieter than a direction channel can be, or that follows the others worse than one of
  them follows the rest.
- A silent X beside a Z that sounds, or more sound from above than from the sides: order W X Y Z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.field import FieldAnalyzer

Array = NDArray[np.float64]

SN3D_DB, FUMA_DB, N3D_DB = 0.0, 3.01, 4.77
# 150 to 4800 Hz: wind rules below, capsules are too far apart above.
_OCTAVES = slice(5)
_LEAST_OCTAVES = 4
_ACTIVE_RANGE_DB = 25.0
_SILENT_DBFS = -85.0
_LEAST_TILES = 3
# Converted fields keep their ratio within this in each octave, and on average.
_EXACT_OCTAVE_DB, _EXACT_MEAN_DB = 1.5, 0.6
# Coherence of two channels, in [-1, 1]. Capsules keep 0.37 and more; 0.67 in diffuse sound.
_IN_PHASE = 0.35
_ONE_SOURCE = 0.95
# A field whose sound comes from one direction may have all channels in phase, within this of its
# ratio.
_FIELD_DB = 2.0
# Recorders with a weak W reach 3.4 dB.
_LOUDEST_DIRECTION_DB = 5.5
_BETTER_DB = 1.0
_NEARLY_SILENT_DB = 20.0
_FROM_ABOVE_DB = 3.0


@dataclass(frozen=True)
class Doubt:
    """Something that speaks against a layout.

    Attributes:
        code: A short fixed word to count by.
        detail: What was seen, in a sentence.
    """

    code: str
    detail: str


@dataclass(frozen=True)
class FieldShape:
    """How the four channels of a sound field behave together, in any gain.

    Attributes:
        ratio_db: (octaves,) median of (X²+Y²+Z²)/W² over tiles of a quarter of a second; NaN where
            an octave holds too little sound.
        spread_db: (4,) from the tenth to the ninetieth percentile of that ratio, the mean of the
            octaves; entry c has channel c in the place of W.
        levels_db: (4,) level of W, Y, Z, X below the level of W.
        coherence: (4, 4) real part, in [-1, 1].
    """

    ratio_db: Array
    spread_db: Array
    levels_db: Array
    coherence: Array

    @property
    def mean_ratio_db(self) -> float:
        """The mean of the octaves."""
        return float(np.nanmean(self.ratio_db))

    def is_exactly(self, ratio_db: float) -> bool:
        """Whether every octave has this ratio, as a conversion gives and no microphone does."""
        off = np.abs(self.ratio_db[np.isfinite(self.ratio_db)] - ratio_db)
        if len(off) < _LEAST_OCTAVES:
            return False
        return (
            off.max() <= _EXACT_OCTAVE_DB and abs(self.mean_ratio_db - ratio_db) <= _EXACT_MEAN_DB
        )


def field_shape(
    pieces: Sequence[NDArray[np.float32]], sample_rate_hz: int, channels: Sequence[int]
) -> FieldShape | None:
    """Measure a sound field; None where there is too little sound to tell.

    Args:
        pieces: Stretches (C, S) of decoded sound.
        sample_rate_hz: Their rate.
        channels: Which channels are W, Y, Z and X.
    """
    tiles = [
        tile
        for piece in pieces
        for tile in FieldAnalyzer(sample_rate_hz).feed(piece[list(channels)])
    ]
    if not tiles:
        return None
    covariance = np.stack([tile.covariance[_OCTAVES] for tile in tiles]).astype(np.complex128)
    power = np.einsum("tbcc->tbc", covariance).real
    total_db = _decibels(power.sum(axis=2))
    active = total_db > np.maximum(total_db.max(axis=0) - _ACTIVE_RANGE_DB, _SILENT_DBFS)
    if active.sum(axis=0).max() < _LEAST_TILES or power[..., 0].max() <= 0:
        return None
    rest = power.sum(axis=2, keepdims=True) - power
    ratios = _decibels(rest) - _decibels(power)  # (tiles, octaves, channel in the place of W)
    medians, spreads = [], []
    for octave in range(active.shape[1]):
        found = ratios[active[:, octave], octave]
        if len(found) < _LEAST_TILES:
            medians.append(np.nan)
            continue
        medians.append(float(np.median(found[:, 0])))
        low, high = np.quantile(found, (0.1, 0.9), axis=0)
        spreads.append(high - low)
    shares = covariance[active] / power[active].sum(axis=1)[:, None, None]
    mean = shares.mean(axis=0)
    levels = np.maximum(np.diagonal(mean).real, 1e-12)
    return FieldShape(
        ratio_db=np.array(medians),
        spread_db=np.mean(spreads, axis=0),
        levels_db=_decibels(levels / levels[0]),
        coherence=mean.real / np.sqrt(np.outer(levels, levels)),
    )


def doubts_about(shape: FieldShape, expected_db: float, *, any_order: bool) -> list[Doubt]:
    """Return what speaks against a believed order and normalization.

    Args:
        shape: The channels in the believed order, before any gain is put right.
        expected_db: The ratio of the believed normalization: `SN3D_DB`, `FUMA_DB` or `N3D_DB`.
        any_order: Whether the channels could have another order: false where the positions of
            silent channels show it.
    """
    found = [_other_normalization(shape, expected_db), _capsules(shape, expected_db)]
    found.append(_weak_w(shape, expected_db))
    if any_order:
        found.append(_other_order(shape))
    return [doubt for doubt in found if doubt is not None]


def _other_normalization(shape: FieldShape, expected_db: float) -> Doubt | None:
    _, _, z, _ = shape.levels_db - shape.levels_db[1:].max()
    for name, ratio_db in (("SN3D", SN3D_DB), ("FuMa", FUMA_DB), ("N3D", N3D_DB)):
        if ratio_db == expected_db or not shape.is_exactly(ratio_db):
            continue
        if ratio_db == FUMA_DB and z < -_ACTIVE_RANGE_DB * 2:
            continue  # FuMa has Y there: this is a field without height whose W is weak
        return Doubt(
            "normalization",
            f"(X²+Y²+Z²)/W² is {10 ** (shape.mean_ratio_db / 10):.2f} in every octave, as in {name}"
            f"; it should be {10 ** (expected_db / 10):.0f}",
        )
    return None


def _capsules(shape: FieldShape, expected_db: float) -> Doubt | None:
    pairs = shape.coherence[np.triu_indices(4, 1)]
    # One source may be in phase in all channels. Then only a wrong ratio speaks against a field;
    # where FuMa or N3D is believed for its ratio, several sources in phase do.
    may_be_a_field = pairs.min() > _ONE_SOURCE or expected_db == SN3D_DB
    off_db = abs(shape.mean_ratio_db - expected_db)
    if pairs.min() < _IN_PHASE or (may_be_a_field and off_db < _FIELD_DB):
        return None
    return Doubt(
        "a-format",
        f"all channels are in phase (coherence {pairs.min():.2f} and more), as the capsules of a "
        "microphone are before they are converted (A-format)",
    )


def _weak_w(shape: FieldShape, expected_db: float) -> Doubt | None:
    loudest_db = shape.levels_db[1:].max() - expected_db
    if loudest_db > _LOUDEST_DIRECTION_DB:
        return Doubt(
            "no-field",
            f"a direction channel is {loudest_db:.1f} dB louder than W can make it: "
            "another order of channels, or no ambisonics",
        )
    better_db = shape.spread_db[0] - shape.spread_db[1:].min()
    if better_db > _BETTER_DB and shape.mean_ratio_db - expected_db > SN3D_DB + _FIELD_DB:
        return Doubt(
            "no-field",
            "another channel follows the rest better than W does: another order of channels, "
            "or no ambisonics",
        )
    return None


def _other_order(shape: FieldShape) -> Doubt | None:
    _, y, z, x = shape.levels_db
    if x < min(z, 0.0) - _NEARLY_SILENT_DB:
        return Doubt(
            "channel-order",
            "the last channel is silent and the third is not: nothing to hear in front or behind, "
            "or a horizontal recording in the order W X Y Z",
        )
    if z > max(x, y) + _FROM_ABOVE_DB:
        return Doubt(
            "channel-order",
            f"the third channel (Z) is {z - max(x, y):.1f} dB louder than Y and X: "
            "more sound from above than from the sides, or another order of channels",
        )
    return None


def _decibels(power: Array) -> Array:
    return 10 * np.log10(np.maximum(power, 1e-20))
