"""Is this first-order ambisonics? Ratio of directional to omnidirectional power, tile by tile.

A plane wave s from (x, y, z) has W = s and (X, Y, Z) = s (x, y, z) in SN3D, so X² + Y² + Z² = W²
whatever its direction. Uncorrelated waves add in power, so a diffuse field has the ratio 1 too,
and so does everything between. The same field has the ratio 2 in FuMa (W stored 3 dB down) and 3
in N3D. Reflections interfere and move the ratio of a single frequency, but not its average over
dozens of them: in a tile (a quarter of a second of an octave) true recordings stay within 1.5 dB.

Four channels that are no sound field have no reason to keep any ratio: it follows whatever sounds
at the moment. Loudspeaker mixes (quad, 5.1) keep it for one source and change it with the next;
permuted channels keep it with another channel in the place of W; sound laid over a recording in W
alone only lowers it. A channel that is silent says nothing: there may be no source on that axis.

What cannot be known from the four channels alone:

- Y, Z and X in another order, or with flipped signs, are a field that is turned or mirrored.
- A lone source exactly on an axis is the same as one sound copied into two channels: unsure.
- Steady noise of one colour and loudness in four unrelated channels is a diffuse field in N3D.
- A dry source at 45° in N3D with |x| = |y| = |z| is the same as four copies: taken for copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.sound_field import NUM_BANDS, FieldSegment
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.thresholds import DEFAULTS, SpatialAudioThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "spatial-audio"
CHANNELS = "WYZX"

Array = NDArray[np.float64]

_DETAILS = {
    "ambix": "directional and omnidirectional power agree as SN3D demands in {agreement:.0%} of "
    "the sound",
    "fuma": "the power ratio is 2, as in FuMa: convert with W times 1.41, order W X Y Z",
    "n3d": "the power ratio is 3, as in N3D: convert with X, Y, Z divided by 1.73",
    "channel-order": "the ratio holds with another channel in the place of W: permuted channels",
    "not-ambisonic": "the power ratio follows no sound field: {agreement:.0%} of the sound agrees "
    "with one",
    "copied-channels": "the four channels are copies of one sound",
    "two-channels": "only W and one direction channel hold sound, and not as a source on its axis",
    "one-axis": "all sound lies on one channel's axis: a lone source there, or a copied channel",
    "w-only": "there is sound in W without any direction ({ratio_db:.1f} dB)",
    "w-silent": "W is silent while other channels are not",
    "too-little-sound": "there is too little sound to tell",
}


@dataclass(frozen=True)
class _Tiles:
    """Active tiles as columns: power (N, 4) and weight (N,)."""

    power: Array
    weight: Array

    def ratio_db(self, w: int = 0) -> Array:
        rest = self.power.sum(axis=1) - self.power[:, w]
        return 10 * np.log10((rest + 1e-15) / (self.power[:, w] + 1e-15))

    def share(self, which: NDArray[np.bool_]) -> float:
        return float(self.weight[which].sum() / self.weight.sum())


@dataclass(frozen=True)
class _Fit:
    """The ratio that most tiles have.

    Attributes:
        gain_db: That ratio.
        share: Weight of the tiles within the tolerance of it.
        agreement: The same among all tiles that are not below it. Tiles below may be sound laid
            over a field in W; tiles above cannot be explained by any field.
    """

    gain_db: float
    share: float
    agreement: float

    @property
    def sure_share(self) -> float:
        return self.share * self.agreement


class SpatialAudioTest:
    """Accumulates tiles of a sound that is stored as W, Y, Z, X and says whether that is true."""

    def __init__(self, thresholds: SpatialAudioThresholds = DEFAULTS.spatial_audio) -> None:
        self.thresholds = thresholds
        # Of each band: power of four channels, and width.
        self._tiles = Timeline(thresholds.most_tiles, NUM_BANDS * 5)
        self._total = np.zeros((4, 4))
        self._low = np.zeros((4, 4))

    def feed(self, tile: FieldSegment) -> None:
        """Take the next tile."""
        covariance = tile.covariance
        power = np.real(np.einsum("bii->bi", covariance))
        columns = np.concatenate([power, tile.width[:, None]], axis=1)
        self._tiles.add(columns.reshape(-1))
        self._total += covariance.real.sum(axis=0)
        self._low += covariance.real[: self.thresholds.copied_bands].sum(axis=0)

    def verdict(self) -> Verdict:
        """Return the verdict on all tiles so far."""
        tiles = self._active()
        if tiles.weight.sum() < self.thresholds.least_tiles:
            return unsure(NAME, "too-little-sound", _DETAILS["too-little-sound"])
        numbers = self._numbers(tiles)
        reason, probability = self._classify(numbers)
        detail = _DETAILS[reason].format(**numbers)
        return judge(NAME, probability, (reason, reason), detail, numbers)

    def _active(self) -> _Tiles:
        """Return the tiles that are loud and wide enough; the loudest weigh most."""
        t = self.thresholds
        rows = self._tiles.rows.reshape(-1, NUM_BANDS, 5).astype(np.float64)
        if not len(rows):
            return _Tiles(np.zeros((0, 4)), np.zeros(0))
        level = 10 * np.log10(rows[:, :, :4].sum(axis=2) + 1e-15)
        floor = np.maximum(np.quantile(level, 0.95, axis=0) - t.active_range_db, t.silent_dbfs)
        weight = np.clip((level - floor) / (t.active_range_db / 2), 0, 1)
        weight *= rows[:, :, 4] >= t.least_width
        used = weight > 0
        return _Tiles(rows[used][:, :4], weight[used])

    def _numbers(self, tiles: _Tiles) -> dict[str, float]:
        total = np.diag(self._total)
        numbers = {
            "ratio": float(total[1:].sum() / (total[0] + 1e-15)),
            "ratio_db": weighted_quantile(tiles.ratio_db(), tiles.weight, 0.5),
            "tiles": float(tiles.weight.sum()),
            "copied_coherence": self._copied_coherence(),
            "one_axis_share": float(total[1:].max() / (total[1:].sum() + 1e-15)),
        }
        for channel, power in zip(CHANNELS, total, strict=True):
            numbers[f"level_{channel.lower()}_db"] = float(
                10 * np.log10((power + 1e-15) / (total.max() + 1e-15))
            )
        fit = self._fit(tiles)
        numbers |= {"gain_db": fit.gain_db, "field": fit.share, "agreement": fit.agreement}
        for w in (1, 2, 3):
            numbers[f"field_w_is_{CHANNELS[w].lower()}"] = self._fit(tiles, w).sure_share
        return numbers

    def _fit(self, tiles: _Tiles, w: int = 0) -> _Fit:
        """Return the ratio that most tiles have, and how many do."""
        t = self.thresholds
        ratio_db = tiles.ratio_db(w)
        gains_db = np.arange(t.sn3d_db - t.tolerance_db, t.n3d_db + t.tolerance_db, 0.25)
        if w > 0:
            gains_db = gains_db[gains_db <= t.sn3d_db + t.tolerance_db]
        shares = [tiles.share(np.abs(ratio_db - gain) <= t.tolerance_db) for gain in gains_db]
        inside = np.abs(ratio_db - gains_db[np.argmax(shares)]) <= t.tolerance_db
        if not inside.any():
            return _Fit(t.sn3d_db, 0.0, 0.0)
        gain_db = weighted_quantile(ratio_db[inside], tiles.weight[inside], 0.5)
        nominal_db = getattr(t, f"{self._normalization(gain_db)}_db")
        above = tiles.share(ratio_db > max(gain_db, nominal_db) + t.tolerance_db)
        return _Fit(gain_db, max(shares), max(shares) / (max(shares) + above + 1e-9))

    def _normalization(self, gain_db: float) -> str:
        t = self.thresholds
        names = ("sn3d", "fuma", "n3d")
        return min(names, key=lambda name: abs(gain_db - getattr(t, f"{name}_db")))

    def _copied_coherence(self) -> float:
        """Return the least coherence of W with another channel, 0 when their levels differ."""
        power = np.diag(self._low)
        gains_db = 10 * np.log10((power[1:] + 1e-15) / (power[0] + 1e-15))
        if np.any(np.abs(gains_db) > self.thresholds.copied_gain_db):
            return 0.0
        return float(np.min(np.abs(self._low[0, 1:]) / np.sqrt(power[0] * power[1:] + 1e-20)))

    def _classify(self, numbers: dict[str, float]) -> tuple[str, float]:
        """Return the reason and the probability that this is not usable as ambiX."""
        t = self.thresholds
        name = self._normalization(numbers["gain_db"])
        lone = numbers["field"] > t.one_axis_field_share
        if numbers["level_w_db"] < t.w_silent_db:
            return "w-silent", 0.99
        if numbers["copied_coherence"] > t.copied_coherence:
            return "copied-channels", 0.99
        if self._on_one_axis(numbers) and not lone:
            return "two-channels", 0.95
        if numbers["one_axis_share"] > t.lone_axis_share and lone and name == "sn3d":
            return "one-axis", 0.5
        least_share = t.least_field_share if name == "sn3d" else t.least_converted_share
        if numbers["ratio_db"] < t.w_only_db and numbers["field"] < least_share:
            return "w-only", probability_above(-numbers["ratio_db"], -t.w_only_db, 1.5)
        fits = probability_above(numbers["agreement"], t.least_agreement, t.agreement_softness)
        if numbers["field"] < least_share:
            fits = min(fits, 0.1)
        other = max(numbers["field_w_is_y"], numbers["field_w_is_z"], numbers["field_w_is_x"])
        better = other > max(t.other_order_share, numbers["field"] + t.other_order_margin)
        if better and (name != "sn3d" or fits < 0.5):
            return "channel-order", 0.95
        if fits > 0.5 and name != "sn3d":
            return name, fits
        return ("ambix" if fits > 0.5 else "not-ambisonic"), 1 - fits

    def _on_one_axis(self, numbers: dict[str, float]) -> bool:
        levels_db = [numbers[f"level_{name}_db"] for name in "yzx"]
        return (
            numbers["one_axis_share"] > self.thresholds.one_axis_share
            and max(levels_db) - numbers["level_w_db"] > self.thresholds.one_axis_least_db
        )
