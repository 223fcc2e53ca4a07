"""The gain of W in a sound field, relative to ambiX, in each octave.

In ambiX (SN3D) every plane wave, every mixture of uncorrelated waves and every diffuse field has
X² + Y² + Z² = W². A field whose W is g times too loud has the power ratio 1 / g². Microphones
differ: the W of some recorders is 3 to 7 dB low and falls with frequency, cameras store X, Y, Z
3 dB low, and N3D without a declaration is a W that is 4.8 dB low. The gain does not change the
direction of any source.

The ratio is measured in tiles (`yt360.media.layout.sound_field`). Audio in W alone, such as a
narration, lowers the ratio of the tiles in which it sounds, by any amount. Tiles of the field agree
on one ratio, so the gain of an octave is the median of its largest group of tiles that agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.sound_field import BAND_EDGES_HZ, NUM_BANDS, FieldSegment
from yt360.media.quantiles import median

Array = NDArray[np.float64]

OCTAVE_CENTRES_HZ = tuple(
    float(hz) for hz in np.sqrt(np.multiply(BAND_EDGES_HZ[:-1], BAND_EDGES_HZ[1:]))
)
# Below, wind and the noise of capsules raise the ratio; above, spatial aliasing does.
DECIDING_HZ = (200.0, 3200.0)
_DECIDES = np.array([DECIDING_HZ[0] <= hz <= DECIDING_HZ[1] for hz in OCTAVE_CENTRES_HZ])

# Tiles further below the loud ones may be coding noise; tiles in the lower half count less.
_ACTIVE_RANGE_DB = 25.0
_SILENT_DBFS = -85.0
# The ratio of fewer frequencies depends on single reflections.
_LEAST_WIDTH = 3.0
# Tiles of one octave of a recorded field spread by 0.2 to 1.5 dB (half of the quartile distance).
_AGREEMENT_DB = 3.0
# One second.
_LEAST_TILES = 4.0

MAX_GAIN_DB = 30.0
_LEVELS_DB = np.arange(-120.0, 31.0)
_RATIOS_DB = np.round(np.arange(-MAX_GAIN_DB, MAX_GAIN_DB + 0.05, 0.1), 1)
_OCTAVE_NAMES = tuple(f"gain_{low:.0f}_{high:.0f}_hz_db" for low, high in pairwise(BAND_EDGES_HZ))


@dataclass(frozen=True)
class FieldGain:
    """The gain of W relative to ambiX, in dB: negative if W is low or X, Y, Z are high.

    Attributes:
        broadband_db: Median of the octaves between 0.2 and 3.2 kHz.
        octaves_db: Gain in each octave of `OCTAVE_CENTRES_HZ`; None if too little audio.
        spread_db: Uncertainty: median distance of the tiles of an octave that are above its ratio
            (those below may hold audio in W alone), median of the octaves between 0.2 and 3.2 kHz.
            Recordings have 0.2 to 1.
    """

    broadband_db: float
    octaves_db: tuple[float | None, ...]
    spread_db: float

    @property
    def tilt_db(self) -> float:
        """Difference between the highest and the lowest octave between 0.2 and 3.2 kHz."""
        octaves = np.array(self.octaves_db, np.float64)[_DECIDES]
        return float(np.nanmax(octaves) - np.nanmin(octaves))

    def numbers(self) -> dict[str, float]:
        """Return the measurements by name; octaves with too little audio are missing."""
        octaves = zip(_OCTAVE_NAMES, self.octaves_db, strict=True)
        return {
            "gain_db": self.broadband_db,
            "spread_db": self.spread_db,
            **{name: gain_db for name, gain_db in octaves if gain_db is not None},
        }

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, object]) -> FieldGain | None:
        """Return the gain with these measurements; None if they are not those of `numbers`."""
        gain_db, spread_db, *octaves_db = (
            float(value) if isinstance(value, int | float) and abs(value) <= MAX_GAIN_DB else None
            for value in map(numbers.get, ("gain_db", "spread_db", *_OCTAVE_NAMES))
        )
        if gain_db is None or spread_db is None or not _decide(octaves_db):
            return None
        return cls(gain_db, tuple(octaves_db), spread_db)


class FieldGainMeter:
    """Accumulates the power ratio of tiles in histograms of constant size."""

    def __init__(self) -> None:
        self._tiles = np.zeros((NUM_BANDS, len(_LEVELS_DB), len(_RATIOS_DB)), np.uint32)

    def feed(self, segment: FieldSegment) -> None:
        """Add a segment of a field in W, Y, Z, X."""
        power = np.einsum("bcc->bc", segment.covariance).real.astype(np.float64)
        level_db = _decibels(power.sum(axis=1))
        ratio_db = _decibels(power[:, 1:].sum(axis=1)) - _decibels(power[:, 0])
        bands = np.flatnonzero(segment.width >= _LEAST_WIDTH)
        levels = _nearest(level_db[bands], _LEVELS_DB)
        self._tiles[bands, levels, _nearest(ratio_db[bands], _RATIOS_DB)] += 1

    def gain(self) -> FieldGain | None:
        """Return the gain of all segments so far; None if there is too little audio."""
        found = [_octave_gain(_weights(tiles)) for tiles in self._tiles]
        octaves_db = [None if octave is None else octave[0] for octave in found]
        spreads_db = [None if octave is None else octave[1] for octave in found]
        if not _decide(octaves_db):
            return None
        return FieldGain(_median(octaves_db), tuple(octaves_db), _median(spreads_db))


def median_gain(gains: Sequence[FieldGain]) -> FieldGain | None:
    """Return the gain of a recording from those of its parts; None if there are none."""
    if not gains:
        return None
    octaves_db = np.array([gain.octaves_db for gain in gains], np.float64)
    parts = [[each for each in octave if np.isfinite(each)] for octave in octaves_db.T]
    return FieldGain(
        broadband_db=round(median([gain.broadband_db for gain in gains]), 2),
        octaves_db=tuple(round(median(part), 2) if part else None for part in parts),
        spread_db=round(median([gain.spread_db for gain in gains]), 2),
    )


def _decide(octaves_db: Sequence[float | None]) -> bool:
    """Return whether an octave between 0.2 and 3.2 kHz is known."""
    return bool(np.isfinite(np.array(octaves_db, np.float64)[_DECIDES]).any())


def _median(octaves_db: Sequence[float | None]) -> float:
    """Return the median of the known octaves between 0.2 and 3.2 kHz."""
    deciding = np.array(octaves_db, np.float64)[_DECIDES]
    return round(median(deciding[np.isfinite(deciding)]), 2)


def _weights(tiles: NDArray[np.uint32]) -> Array:
    """Return the weight of each ratio from the tiles (levels, ratios) of an octave."""
    loud_db = _quantile(_LEVELS_DB, tiles.sum(axis=1), 0.95)
    floor_db = max(loud_db - _ACTIVE_RANGE_DB, _SILENT_DBFS)
    weight = np.clip((_LEVELS_DB - floor_db) / (_ACTIVE_RANGE_DB / 2), 0, 1)
    return weight @ tiles


def _octave_gain(weights: Array) -> tuple[float, float] | None:
    """Return the gain of W and the spread in dB, given the weights of `_RATIOS_DB`."""
    if weights.sum() < _LEAST_TILES:
        return None
    window = np.ones(round(_AGREEMENT_DB / (_RATIOS_DB[1] - _RATIOS_DB[0])))
    densest_db = _RATIOS_DB[np.argmax(np.convolve(weights, window, mode="same"))]
    agreeing = np.where(np.abs(_RATIOS_DB - densest_db) <= _AGREEMENT_DB, weights, 0)
    ratio_db = _quantile(_RATIOS_DB, agreeing, 0.5)
    above = np.where(ratio_db <= _RATIOS_DB, weights, 0)
    return -ratio_db, round(_quantile(_RATIOS_DB, above, 0.5) - ratio_db, 1)


def _quantile(values: Array, weights: Array, part: float) -> float:
    """Return the weighted quantile of rising values."""
    cumulated = np.cumsum(weights)
    return float(values[np.searchsorted(cumulated, part * cumulated[-1])])


def _nearest(values: Array, grid: Array) -> NDArray[np.intp]:
    step = grid[1] - grid[0]
    return np.clip(np.rint((values - grid[0]) / step), 0, len(grid) - 1).astype(np.intp)


def _decibels(power: Array) -> Array:
    return 10 * np.log10(np.maximum(power, 1e-15))
