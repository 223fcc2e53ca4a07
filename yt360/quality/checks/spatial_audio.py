"""Detect first-order ambisonics by the ratio of directional to omnidirectional power in tiles.

A plane wave s from (x, y, z) has W = s and (X, Y, Z) = s (x, y, z) in SN3D, so X² + Y² + Z² = W²
for every direction. Uncorrelated waves add in power, so a diffuse field and every mixture of both
also have the ratio 1. The same field has the ratio 2 in FuMa (W is stored 3 dB lower) and 3 in N3D.
Interference of reflections changes the ratio of a single frequency, but not its average over dozens
of frequencies: in a tile (a quarter of a second of an octave), recordings stay within 1.5 dB.

Four channels that are not a sound field do not have a constant ratio. The ratio of loudspeaker
mixes (quad, 5.1) depends on the active source; permuted channels have a constant ratio with another
channel as W; audio mixed into W alone only lowers the ratio. A silent channel is no evidence,
because there may be no source on its axis.

Four channels alone cannot distinguish:

- Y, Z and X in another order or with flipped signs, and a rotated or mirrored field;
- a single source exactly on an axis, and one signal copied into two channels (unsure);
- steady noise of one spectrum and level in four unrelated channels, and a diffuse field in N3D;
- a dry source in N3D with |x| = |y| = |z|, and four copies (classified as copies).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from yt360.config import config_class
from yt360.media.layout.sound_field import NUM_BANDS, FieldSegment
from yt360.quality.checks.base import Check, Fraction, Part
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import Outcome, Verdict, judge, probability_above, unsure

NAME = "spatial-audio"
CHANNELS = "WYZX"
CONVERTIBLE = ("fuma", "n3d")
"""Reasons of audio that is not ambiX but can be converted to it."""


@config_class
class SpatialAudioConfig:
    """Thresholds of the spatial-audio check; ratios are (X²+Y²+Z²)/W² in decibels."""

    needs: ClassVar[str] = ""
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # SN3D: equation of a plane wave; FuMa: W is stored 3 dB lower; N3D: X, Y, Z by sqrt(3).
    sn3d_db: float = 0.0
    fuma_db: float = 3.01
    n3d_db: float = 4.77
    # Midpoint between SN3D and FuMa.
    tolerance_db: float = 1.5
    # Sound fields have 0.79 and more (0.71 with loud stereo mixed in), loudspeaker mixes of more
    # than two sources less than 0.65.
    least_agreement: Fraction = 0.71
    agreement_softness: float = 0.08
    # Minimum fraction of the field that remains in a mix.
    least_field_fraction: Fraction = 0.12
    # FuMa and N3D with audio mixed in are too rare to detect.
    least_converted_fraction: Fraction = 0.6
    # 9 dB below a field: the loudest stereo mix has more, W with microphone noise less.
    w_only_db: float = -9.0
    # Copies coded at 192 kb/s have 0.96; a field with two sources has less than 0.9.
    copied_coherence: Fraction = 0.95
    copied_gain_db: float = 3.0
    # Below 1.2 kHz, codecs do not use joint coding of channels.
    copied_bands: int = 3
    # A permuted field has the ratio in at least this fraction of the tiles.
    other_order_fraction: Fraction = 0.62
    other_order_margin: float = 0.02
    w_silent_db: float = -40.0
    # Fraction of the directional power in one channel of two-channel audio.
    one_axis_fraction: Fraction = 0.97
    # A field on one axis: a single source exactly left, above or ahead. A recording of a beach with
    # the sea on one side has 0.985.
    lone_axis_fraction: Fraction = 0.995
    one_axis_field_fraction: Fraction = 0.9
    # Minimum level of an axis relative to W; below is coding noise.
    one_axis_least_db: float = -25.0
    # Range above coding noise; AAC at 32 kb/s per channel preserves 25 dB.
    active_range_db: float = 25.0
    silent_dbfs: float = -85.0
    # Averages over fewer frequencies depend on individual reflections.
    least_width: float = 3.0
    least_tiles: float = 12.0
    # Two hours in steps of 0.25 s are decimated twice.
    most_tiles: int = 8192

    def build(self) -> SpatialAudioCheck:
        """Return the check; see `CheckConfig`."""
        return SpatialAudioCheck(self)


Array = NDArray[np.float64]

_DETAILS = {
    "ambix": "directional and omnidirectional power agree as SN3D demands in {agreement:.0%} of "
    "the audio",
    "fuma": "the power ratio is 2, as in FuMa: convert with W times 1.41, order W X Y Z",
    "n3d": "the power ratio is 3, as in N3D: convert with X, Y, Z divided by 1.73",
    "channel-order": "the ratio holds with another channel in the place of W: permuted channels",
    "not-ambisonic": "the power ratio is not that of a sound field: {agreement:.0%} of the audio "
    "agrees with one",
    "copied-channels": "the four channels are copies of one signal",
    "two-channels": "only W and one direction channel hold audio, and not as a source on its axis",
    "one-axis": "all audio lies on one channel's axis: a lone source there, or a copied channel",
    "w-only": "there is audio in W without any direction ({ratio_db:.1f} dB)",
    "w-silent": "W is silent while other channels are not",
    "too-little-sound": "there is too little audio to tell",
}


@dataclass(frozen=True)
class _Tiles:
    """Active tiles: power (N, 4) and weight (N,)."""

    power: Array
    weight: Array

    def ratio_db(self, w: int = 0) -> Array:
        rest = self.power.sum(axis=1) - self.power[:, w]
        return 10 * np.log10((rest + 1e-15) / (self.power[:, w] + 1e-15))

    def fraction(self, which: NDArray[np.bool_]) -> float:
        return float(self.weight[which].sum() / self.weight.sum())


@dataclass(frozen=True)
class _Fit:
    """The most common ratio of tiles.

    Attributes:
        gain_db: The ratio.
        fraction: Weight fraction of the tiles within the tolerance of the ratio.
        agreement: The same fraction among tiles that are not below the ratio. Tiles below may be
            audio mixed into W; tiles above are not consistent with a field.
    """

    gain_db: float
    fraction: float
    agreement: float

    @property
    def sure_fraction(self) -> float:
        return self.fraction * self.agreement


class SpatialAudioCheck(Check):
    """Accumulates tiles of audio, and checks whether its channels are W, Y, Z, X."""

    def __init__(self, config: SpatialAudioConfig) -> None:
        self.config = config
        # For each band: power of four channels, and width.
        self._tiles = Timeline(config.most_tiles, NUM_BANDS * 5)
        self._total = np.zeros((4, 4))
        self._low = np.zeros((4, 4))
        self._part: Part | None = None
        self._refusal: Verdict | None = None
        self._has_audio: bool | None = None  # None until a part begins

    def begin_part(self, part: Part) -> None:
        """Process the channels of a part."""
        self._end_part()
        self._part = part
        self._has_audio = bool(self._has_audio) or part.audio is not None
        if part.undecodable is not None:
            self._refusal = _refusal(part.undecodable.reason, part.undecodable.detail)
        if part.audio is not None and part.audio_format is None and self._refusal is None:
            self._refusal = _no_spatial_track("; ".join(part.audio.layout.evidence))

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:
        """Process the next tile: in ambiX if the format is stated, otherwise as stored."""
        tile = ambix if self._part is not None and self._part.is_stated else stored
        covariance = tile.covariance
        power = np.real(np.einsum("bii->bi", covariance))
        columns = np.concatenate([power, tile.width[:, None]], axis=1)
        self._tiles.add(columns.reshape(-1))
        self._total += covariance.real.sum(axis=0)
        self._low += covariance.real[: self.config.copied_bands].sum(axis=0)

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict:  # noqa: ARG002
        """Return the verdict on all tiles so far; see `Check.verdict`."""
        self._end_part()
        if self._refusal is not None:
            return self._refusal
        if self._has_audio is False:
            return _no_spatial_track("there is no audio")
        return self._measured()

    def _end_part(self) -> None:
        """Refuse six channels of which more are audible than a sound field has."""
        part, self._part = self._part, None
        if part is None or part.audio is None or part.audio_format is None:
            return
        layout = part.audio.layout
        if layout.format is not None or self._refusal is not None:
            return
        measured = self._measured()
        if measured.outcome is not Outcome.NOT_OK:
            detail = "; ".join(layout.evidence)
            self._refusal = judge(NAME, 0.9, ("surround", "surround"), detail, measured.numbers)

    def _measured(self) -> Verdict:
        tiles = self._active()
        if tiles.weight.sum() < self.config.least_tiles:
            return unsure(NAME, "too-little-sound", _DETAILS["too-little-sound"])
        numbers = self._numbers(tiles)
        reason, probability = self._classify(numbers)
        detail = _DETAILS[reason].format(**numbers)
        return judge(NAME, probability, (reason, reason), detail, numbers)

    def _active(self) -> _Tiles:
        """Return the tiles that are loud and wide enough, weighted by level."""
        t = self.config
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
        numbers |= {"gain_db": fit.gain_db, "field": fit.fraction, "agreement": fit.agreement}
        for w in (1, 2, 3):
            numbers[f"field_w_is_{CHANNELS[w].lower()}"] = self._fit(tiles, w).sure_fraction
        return numbers

    def _fit(self, tiles: _Tiles, w: int = 0) -> _Fit:
        """Fit the most common ratio of the tiles."""
        t = self.config
        ratio_db = tiles.ratio_db(w)
        gains_db = np.arange(t.sn3d_db - t.tolerance_db, t.n3d_db + t.tolerance_db, 0.25)
        if w > 0:
            gains_db = gains_db[gains_db <= t.sn3d_db + t.tolerance_db]
        fractions = [tiles.fraction(np.abs(ratio_db - gain) <= t.tolerance_db) for gain in gains_db]
        inside = np.abs(ratio_db - gains_db[np.argmax(fractions)]) <= t.tolerance_db
        if not inside.any():
            return _Fit(t.sn3d_db, 0.0, 0.0)
        gain_db = weighted_quantile(ratio_db[inside], tiles.weight[inside], 0.5)
        nominal_db = getattr(t, f"{self._normalization(gain_db)}_db")
        above = tiles.fraction(ratio_db > max(gain_db, nominal_db) + t.tolerance_db)
        most = max(fractions)
        return _Fit(gain_db, most, most / (most + above + 1e-9))

    def _normalization(self, gain_db: float) -> str:
        t = self.config
        names = ("sn3d", "fuma", "n3d")
        return min(names, key=lambda name: abs(gain_db - getattr(t, f"{name}_db")))

    def _copied_coherence(self) -> float:
        """Return the minimum coherence of W with another channel; 0 if their levels differ."""
        power = np.diag(self._low)
        gains_db = 10 * np.log10((power[1:] + 1e-15) / (power[0] + 1e-15))
        if np.any(np.abs(gains_db) > self.config.copied_gain_db):
            return 0.0
        return float(np.min(np.abs(self._low[0, 1:]) / np.sqrt(power[0] * power[1:] + 1e-20)))

    def _classify(self, numbers: dict[str, float]) -> tuple[str, float]:
        """Return the reason, and the probability that the audio is not usable as ambiX."""
        t = self.config
        name = self._normalization(numbers["gain_db"])
        lone = numbers["field"] > t.one_axis_field_fraction
        if numbers["level_w_db"] < t.w_silent_db:
            return "w-silent", 0.99
        if numbers["copied_coherence"] > t.copied_coherence:
            return "copied-channels", 0.99
        if self._on_one_axis(numbers) and not lone:
            return "two-channels", 0.95
        if numbers["one_axis_share"] > t.lone_axis_fraction and lone and name == "sn3d":
            return "one-axis", 0.5
        is_sn3d = name == "sn3d"
        least = t.least_field_fraction if is_sn3d else t.least_converted_fraction
        if numbers["ratio_db"] < t.w_only_db and numbers["field"] < least:
            return "w-only", probability_above(-numbers["ratio_db"], -t.w_only_db, 1.5)
        fits = probability_above(numbers["agreement"], t.least_agreement, t.agreement_softness)
        if numbers["field"] < least:
            fits = min(fits, 0.1)
        other = max(numbers["field_w_is_y"], numbers["field_w_is_z"], numbers["field_w_is_x"])
        better = other > max(t.other_order_fraction, numbers["field"] + t.other_order_margin)
        if better and (name != "sn3d" or fits < 0.5):
            return "channel-order", 0.95
        if fits > 0.5 and name != "sn3d":
            return name, fits
        return ("ambix" if fits > 0.5 else "not-ambisonic"), 1 - fits

    def _on_one_axis(self, numbers: dict[str, float]) -> bool:
        levels_db = [numbers[f"level_{name}_db"] for name in "yzx"]
        return (
            numbers["one_axis_share"] > self.config.one_axis_fraction
            and max(levels_db) - numbers["level_w_db"] > self.config.one_axis_least_db
        )


def _refusal(reason: str, detail: str) -> Verdict:
    return judge(NAME, 0.99, (reason, reason), detail)


def _no_spatial_track(why: str) -> Verdict:
    return _refusal("no-spatial-track", f"there is no sound field to check: {why}")
