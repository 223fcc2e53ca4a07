"""Statistics of the power ratio of four channels: which of them is the W of a sound field?

A plane wave s from (x, y, z) has W = g s and (X, Y, Z) = s (x, y, z), so (X² + Y² + Z²) / W² is
1 / g² for every direction. Uncorrelated waves add in power: a diffuse field and every mixture have
the same ratio. Microphones differ in g, and g varies with frequency, so a field has one ratio in
each octave, and no ratio over all octaves. Reflections interfere and change the ratio of a single
frequency, but not its average over dozens: a tile (a quarter of a second of an octave) of a
recording is within 1.5 dB of the ratio of its octave.

The ratio of other channels (loudspeaker mixes, unrelated signals) depends on what sounds. If
channels are permuted, the ratio is constant for the channel that is W.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.field_gain import FieldGainMeter
from yt360.media.layout.sound_field import FieldSegment
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline

CHANNELS = "wyzx"
# 150 Hz to 4.8 kHz: above, spatial aliasing of the capsules raises the ratio.
_OCTAVES = 5
# Below 1.2 kHz, codecs do not use joint coding of channels.
_UNCOUPLED = 3
# The level of recordings falls by 3 to 6 dB per octave, that of wind and handling by more.
_FALL_DB = 4.0
_RATIOS_DB = np.arange(-12.0, 12.1, 0.25)
_LEAST_WEIGHT = 3.0
# A ratio is common in an octave if this fraction of the tiles near the most common one are near it.
_COMMON = 0.8
_TINY = 1e-15

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """How well one channel is the W of a field.

    Attributes:
        ratio_db: Median over the octaves of the most common ratio.
        fraction: Weight fraction of the tiles within the tolerance of the ratio of their octave.
        agreement: The same fraction among tiles that are not above the ratio. Audio mixed into W
            only lowers the ratio; tiles above it are not consistent with a field.
    """

    ratio_db: float
    fraction: float
    agreement: float


class FieldRatios:
    """Accumulates the tiles of four channels.

    Args:
        most_tiles: Number of time segments to keep; more are thinned out evenly.
    """

    def __init__(self, most_tiles: int) -> None:
        # For each octave: power of four channels, and width.
        self._tiles = Timeline(most_tiles, _OCTAVES * 5)
        self._covariance = np.zeros((_OCTAVES, 4, 4))
        self._gain = FieldGainMeter()

    def feed(self, segment: FieldSegment) -> None:
        """Add a segment of the channels W, Y, Z and X."""
        covariance = segment.covariance[:_OCTAVES].real
        power = np.einsum("bcc->bc", covariance)
        self._tiles.add(np.concatenate([power, segment.width[:_OCTAVES, None]], axis=1).ravel())
        self._covariance += covariance
        self._gain.feed(segment)

    def measure(
        self, *, tolerance_db: float, range_db: float, silent_dbfs: float, least_width: float
    ) -> dict[str, float]:
        """Return all measurements; only ``"tiles"`` if there is no audible tile.

        Args:
            tolerance_db: Largest distance of a tile from the ratio of its octave.
            range_db: Range below loud tiles of an octave, and below the loudest octave, that
                counts; the lower half counts less.
            silent_dbfs: Level below which tiles do not count.
            least_width: Least number of frequencies of a tile.
        """
        power, weight = self._weighted_tiles(range_db, silent_dbfs, least_width)
        numbers = {"tiles": float(weight.sum())}
        if not weight.any():
            return numbers
        fits = [_fit(power, weight, channel, tolerance_db) for channel in range(4)]
        ratio_db = _ratio_db(power, 0)
        amplitude = np.sqrt(power.sum(axis=2)) * (weight > 0)
        numbers |= {
            "ratio_db": weighted_quantile(ratio_db, amplitude, 0.5),
            "upper_ratio_db": weighted_quantile(ratio_db, amplitude, 0.9),
            "field": fits[0].fraction,
            "agreement": fits[0].agreement,
        }
        for name, fit in zip(CHANNELS, fits, strict=True):
            numbers[f"field_w_is_{name}"] = fit.fraction * fit.agreement
            numbers[f"ratio_w_is_{name}_db"] = fit.ratio_db
        return numbers | self._levels() | self._coherence(weight.sum(axis=0) > 0) | self._gains()

    def _weighted_tiles(
        self, range_db: float, silent_dbfs: float, least_width: float
    ) -> tuple[Array, Array]:
        """Return the power (N, octaves, 4) and the weight (N, octaves) of the tiles."""
        tiles = self._tiles.rows.reshape(-1, _OCTAVES, 5).astype(np.float64)
        power = tiles[:, :, :4]
        if not len(tiles):
            return power, np.zeros((0, _OCTAVES))
        level_db = _decibels(power.sum(axis=2))
        loud_db = np.quantile(level_db, 0.95, axis=0)
        floor_db = np.maximum(loud_db - range_db, silent_dbfs)
        weight = np.clip((level_db - floor_db) / (range_db / 2), 0, 1)
        weight *= tiles[:, :, 4] >= least_width
        loud_db += _FALL_DB * np.arange(_OCTAVES)
        loudest_db = loud_db[weight.any(axis=0)].max(initial=silent_dbfs)
        return power, weight * np.clip((loud_db - loudest_db + range_db) / (range_db / 2), 0, 1)

    def _levels(self) -> dict[str, float]:
        power = np.einsum("bcc->c", self._covariance)
        levels_db = _decibels(power / (power.max() + _TINY))
        numbers = {
            f"level_{name}_db": float(level)
            for name, level in zip(CHANNELS, levels_db, strict=True)
        }
        numbers["ratio"] = float(power[1:].sum() / (power[0] + _TINY))
        numbers["one_axis_share"] = float(power[1:].max() / (power[1:].sum() + _TINY))
        return numbers

    def _coherence(self, usable: NDArray[np.bool_]) -> dict[str, float]:
        """Return what the correlation of the channels shows; `usable` (octaves,)."""
        low = self._covariance[:_UNCOUPLED].sum(axis=0)
        gains_db = _decibels(np.diag(low)) - _decibels(low[0, 0])
        coherence = _correlation(low)[0, 1:]
        octaves = self._covariance[usable]
        mean = np.mean(octaves / np.einsum("bcc->b", octaves)[:, None, None], axis=0)
        values, vectors = np.linalg.eigh(mean)
        weakest = np.abs(vectors[:, 0])
        power = np.maximum(np.einsum("bcc->bc", octaves), _TINY)
        return {
            "copied_gain_db": float(np.abs(gains_db).max()),
            "copied_coherence": float(np.abs(coherence).min()),
            "in_phase": float(_correlation(mean)[np.triu_indices(4, 1)].min()),
            "dependence_db": float(_decibels(max(values[0], 0) / (values[1] + _TINY))),
            "dependence_evenness": float(weakest.min() / weakest.max()),
            "x_over_z_db": float(np.median(_decibels(power[:, 3] / power[:, 2]))),
        }

    def _gains(self) -> dict[str, float]:
        """Return the gain of W relative to ambiX, over all and in each octave."""
        gain = self._gain.gain()
        if gain is None:
            return {}
        numbers = {f"w_{name}": value for name, value in gain.numbers().items()}
        return numbers | {"w_gain_tilt_db": gain.tilt_db}


def _fit(power: Array, weight: Array, w: int, tolerance_db: float) -> Fit:
    """Return the fit of channel `w` as W of the tiles: power (N, octaves, 4), weight (N, octaves).

    The ratio of an octave is the one that most tiles are near. Audio in W alone lowers the ratio of
    some tiles, so the agreement is that with the highest of several common ratios.
    """
    near_most = agreeing = above = 0.0
    found = []
    for ratios, weights in zip(_ratio_db(power, w).T, weight.T, strict=True):
        if weights.sum() < _LEAST_WEIGHT:
            continue
        is_near = np.abs(ratios[:, None] - _RATIOS_DB) <= tolerance_db
        near = weights @ is_near
        most = int(np.argmax(near))
        near_most += float(near[most])
        if near[most] > 0:
            inside = is_near[:, most]
            found.append(weighted_quantile(ratios[inside], weights[inside], 0.5))
        highest = np.flatnonzero(near >= _COMMON * near[most])[-1]
        agreeing += float(near[highest])
        above += float(weights[ratios > _RATIOS_DB[highest] + tolerance_db].sum())
    return Fit(
        ratio_db=float(np.median(found)) if found else 0.0,
        fraction=near_most / float(weight.sum()),
        agreement=agreeing / (agreeing + above + _TINY),
    )


def _ratio_db(power: Array, w: int) -> Array:
    """Return the ratio of the other channels to channel `w`, of power (..., 4)."""
    return _decibels((power.sum(axis=-1) - power[..., w] + _TINY) / (power[..., w] + _TINY))


def _correlation(covariance: Array) -> Array:
    scale = np.sqrt(np.maximum(np.diag(covariance), _TINY))
    return covariance / np.outer(scale, scale)


def _decibels(power: Array | float) -> Array:
    return 10 * np.log10(np.maximum(power, _TINY))
