"""Detect first-order ambisonics by the ratio of directional to omnidirectional power in tiles.

In the sound field of a microphone the power ratio (X² + Y² + Z²) / W² is constant in each octave,
whatever sounds (`yt360.quality.signal.field_ratios`). Its value is the gain of W: 0 dB in ambiX
(SN3D), 3 dB in FuMa, 4.8 dB in N3D, -4 to 7 dB in the files of real microphones, different in each
octave. A wrong gain changes no direction, and the conversion corrects it, so it is reported and
does not reject.

Four channels that are not a sound field have no constant ratio. The ratio of loudspeaker mixes
(quad, 5.1) depends on the active source; permuted channels have a constant ratio with another
channel as W; audio mixed into W alone only lowers the ratio. The feeds of loudspeakers that were
decoded from a horizontal field are linearly dependent. A silent Z is no evidence, because many
recorders are horizontal. A silent X beside an audible Z is: it is the Z of a horizontal recording
in the order W X Y Z (FuMa).

Four channels alone cannot distinguish:

- Y, Z and X in another order or with flipped signs, and a rotated or mirrored field;
- a field with height in the order W X Y Z, and one in ambiX with a weak W;
- steady sound in unrelated channels or loudspeakers, and a field with a wrong gain;
- a source at one place, and the same channels with another one in the place of W, if the source is
  near an axis;
- a single source exactly on an axis, and one signal copied into two channels (unsure);
- a dry source in N3D with |x| = |y| = |z|, and four copies (classified as copies).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import ClassVar

from yt360.config import config_class
from yt360.media.layout.sound_field import FieldSegment
from yt360.quality.checks.base import Capacity, Check, Fraction, Number, Part, Positive
from yt360.quality.signal.field_ratios import CHANNELS, FieldRatios
from yt360.quality.verdict import Outcome, Verdict, as_stored, judge, probability_above, unsure

NAME = "spatial-audio"
CONVERTIBLE = {"fuma-order": "fuma"}
"""Reasons of audio that is not rejected if the conversion detects this layout."""
_N3D_GAIN_DB = -4.77

_DETAILS = {
    "ambix": "directional and omnidirectional power agree in {field:.0%} of the audio",
    "w-low": "a sound field whose W is {low_db:.1f} dB low",
    "w-high": "a sound field whose X, Y and Z are {w_gain_db:.1f} dB low",
    "n3d": "a sound field in N3D: X, Y and Z are 4.8 dB high in every octave",
    "fuma-order": "the order of the channels is W X Y Z (FuMa), by a silent Z or an exact ratio",
    "channel-order": "the ratio holds with another channel in the place of W: permuted channels",
    "a-format": "all channels are in phase, like raw capsules or one source in front, left, above",
    "loudspeaker-feeds": "the channels are linearly dependent, like the feeds of four loudspeakers",
    "not-ambisonic": "the power ratio is not that of a sound field: {agreement:.0%} of the audio "
    "agrees with one",
    "weak-w": "W is {low_db:.1f} dB low, more than in any microphone",
    "copied-channels": "the four channels are copies of one signal",
    "two-channels": "only W and one direction channel hold audio, and not as a source on its axis",
    "one-axis": "all audio lies on one channel's axis: a lone source there, or a copied channel",
    "w-only": "there is audio in W without any direction ({ratio_db:.1f} dB)",
    "w-silent": "W is silent while other channels are not",
    "too-little-sound": "there is too little audio to tell",
}


@config_class
class SpatialAudioConfig:
    """Thresholds of the spatial-audio check; ratios are (X²+Y²+Z²)/W² in decibels.

    "Real" is what usable recordings of real microphones have; made material has the other side.
    """

    needs: ClassVar[str] = ""
    rejects: ClassVar[bool] = True
    measuring: ClassVar[tuple[str, ...]] = (
        "tolerance_db", "active_range_db", "silent_dbfs", "least_width", "most_tiles",
    )  # fmt: skip
    measurement: ClassVar[int] = 2

    kind: str = NAME
    # Half of the distance between the ratios of SN3D and FuMa. Tiles of real octaves spread by 0.2
    # to 1.5 dB.
    tolerance_db: Number = 1.5
    # Range above coding noise; AAC at 32 kb/s per channel preserves 25 dB.
    active_range_db: Positive = 25.0
    silent_dbfs: Number = -85.0
    # Averages over fewer frequencies depend on individual reflections.
    least_width: Number = 3.0
    # Two hours in steps of 0.25 s are decimated twice.
    most_tiles: Capacity = 8192
    least_tiles: Number = 12.0
    w_silent_db: Number = -40.0
    # Real: 0.95 and more, 0.81 with a voice in W. Near the gain of ambiX, made fields with loud
    # stereo have 0.79 and more, other channels 0.56 and less.
    least_agreement: Fraction = 0.75
    agreement_softness: Positive = 0.08
    # A free gain fits more: loudspeaker mixes have up to 0.87. Real: 0.98 and more, 0.97 with a
    # voice in W; made fields 0.92 and more.
    weak_w_agreement: Fraction = 0.9
    weak_w_softness: Positive = 0.04
    # A gain of W beyond this is reported: half of the distance between SN3D and FuMa.
    weak_w_db: Positive = 1.5
    # Minimum fraction of the field that remains in a mix. Real: 0.82 and more, 0.28 with a voice.
    least_field_fraction: Fraction = 0.12
    # Real: W 5.4 dB low, 7 dB in one octave.
    lowest_w_db: Number = -8.5
    gain_softness_db: Positive = 1.5
    # A conversion scales all octaves alike; microphones differ by more than this.
    exact_db: Number = 0.4
    # Half of the audio, weighted by amplitude, is below this, and 90 % of it below the next. Real:
    # -3.3 and -2 dB for a camera with weak X, Y and Z, -6 and -3.5 dB with a voice of the same
    # level in W; -12.3 and -7.4 dB for channels without directions.
    w_only_db: Number = -9.0
    w_only_upper_db: Number = -5.75
    # Copies coded at 192 kb/s have 0.95 and more; a field with two sources has less than 0.9.
    copied_coherence: Fraction = 0.93
    copied_gain_db: Number = 3.0
    # Fraction of the directional power in one channel of two-channel audio.
    one_axis_fraction: Fraction = 0.97
    # A field on one axis: a single source exactly left, above or ahead. A recording of a beach with
    # the sea on one side has 0.985.
    lone_axis_fraction: Fraction = 0.995
    one_axis_field_fraction: Fraction = 0.9
    # Minimum level of an axis relative to W; below is coding noise.
    one_axis_least_db: Number = -25.0
    # Feeds: the least of four eigenvalues is coding noise, and its eigenvector has all channels
    # with one gain. Real: -7 dB, or an evenness of 0.01 where Z is silent.
    feeds_db: Number = -14.0
    feeds_evenness: Fraction = 0.7
    # How well another channel must fit as W, and how much better. Real: up to 0.03 better;
    # permuted: 0.2 to 1, but near 0 if one source near an axis sounds.
    other_order_fraction: Fraction = 0.72
    other_order_margin: Number = 0.16
    other_order_softness: Positive = 0.05
    # Standard deviation of the gain of W in files; real ones have up to 5.4 dB.
    gain_deviation_db: Positive = 8.0
    # X over Z. Real: -3 dB and more (or Z silent too), -32 dB in the order W X Y Z.
    silent_x_db: Number = -18.0
    audible_z_db: Number = -30.0
    # Least correlation of two channels. Capsules have 0.37 and more, real fields less than 0.05.
    in_phase: Fraction = 0.35
    in_phase_gain_db: Number = 2.0

    def build(self) -> SpatialAudioCheck:
        """Return the check; see `CheckConfig`."""
        return SpatialAudioCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on the channels; see `CheckConfig`."""
        if numbers["tiles"] < self.least_tiles or "w_gain_db" not in numbers:
            return unsure(NAME, "too-little-sound", _DETAILS["too-little-sound"])
        reason, probability = self._classify(numbers)
        detail = _DETAILS[reason].format(**numbers, low_db=-numbers["w_gain_db"])
        return judge(NAME, probability, (reason, reason), detail)

    def _classify(self, numbers: Mapping[str, float]) -> tuple[str, float]:
        """Return the reason, and the probability that the audio is not usable as ambiX."""
        probabilities = {
            **self._without_directions(numbers),
            "channel-order": self._other_order(numbers),
            "not-ambisonic": self._no_field(numbers),
            "weak-w": self._weak_w(numbers),
            "fuma-order": self._fuma_order(numbers),
            "a-format": self._in_phase(numbers),
        }
        for reason, probability in probabilities.items():
            if probability >= 0.5:
                return reason, probability
        return self._gain_reason(numbers), max(probabilities.values())

    def _without_directions(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return the probabilities of channels without directions."""
        lone = numbers["field"] > self.one_axis_field_fraction
        copied = (
            numbers["copied_coherence"] > self.copied_coherence
            and numbers["copied_gain_db"] < self.copied_gain_db
        )
        levels_db = [numbers[f"level_{name}_db"] for name in "yzx"]
        on_one_axis = (
            numbers["one_axis_share"] > self.one_axis_fraction
            and max(levels_db) - numbers["level_w_db"] > self.one_axis_least_db
        )
        feeds = (
            numbers["dependence_db"] < self.feeds_db
            and numbers["dependence_evenness"] > self.feeds_evenness
        )
        w_only = min(
            probability_above(-numbers["ratio_db"], -self.w_only_db, self.gain_softness_db),
            probability_above(
                -numbers["upper_ratio_db"], -self.w_only_upper_db, self.gain_softness_db
            ),
        )
        return {
            "w-silent": 0.99 * (numbers["level_w_db"] < self.w_silent_db),
            "copied-channels": 0.99 * copied,
            "two-channels": 0.95 * (on_one_axis and not lone),
            "one-axis": 0.5 * (numbers["one_axis_share"] > self.lone_axis_fraction and lone),
            "w-only": w_only,
            "loudspeaker-feeds": 0.95 * feeds,
        }

    def _other_order(self, numbers: Mapping[str, float]) -> float:
        """Return the probability that another channel is W, given how well each one fits.

        A fit counts less the more unusual its gain is.
        """
        fits = {
            name: numbers[f"field_w_is_{name}"]
            * exp(-0.5 * (numbers[f"ratio_w_is_{name}_db"] / self.gain_deviation_db) ** 2)
            for name in CHANNELS
        }
        best = max(fits.values())
        if best < self.other_order_fraction:
            return 0.0
        better = best - fits["w"]
        return probability_above(better, self.other_order_margin, self.other_order_softness)

    def _no_field(self, numbers: Mapping[str, float]) -> float:
        """Return the probability that the ratio depends on what sounds."""
        weak = min(max(numbers["ratio_w_is_w_db"] / self.weak_w_db - 1, 0.0), 1.0)
        least = self.least_agreement + weak * (self.weak_w_agreement - self.least_agreement)
        softness = self.agreement_softness + weak * (self.weak_w_softness - self.agreement_softness)
        fits = probability_above(numbers["agreement"], least, softness)
        return 1 - fits if numbers["field"] >= self.least_field_fraction else max(1 - fits, 0.9)

    def _weak_w(self, numbers: Mapping[str, float]) -> float:
        return probability_above(-numbers["w_gain_db"], -self.lowest_w_db, self.gain_softness_db)

    def _fuma_order(self, numbers: Mapping[str, float]) -> float:
        """Return the probability that the last channel is a silent Z."""
        if numbers["read_as_fuma"]:
            return 0.95
        z_db = numbers["level_z_db"] - numbers["level_w_db"]
        if numbers["order_is_fixed"] or z_db < self.audible_z_db:
            return 0.0
        silent = probability_above(
            -numbers["x_over_z_db"], -self.silent_x_db, 2 * self.gain_softness_db
        )
        return min(silent, 0.5) if numbers["order_is_stated"] else silent

    def _in_phase(self, numbers: Mapping[str, float]) -> float:
        """Return 0.5 if the channels may be capsules: one source also has them in phase."""
        off_db = abs(numbers["w_gain_db"])
        return 0.5 * (numbers["in_phase"] > self.in_phase and off_db > self.in_phase_gain_db)

    def _gain_reason(self, numbers: Mapping[str, float]) -> str:
        """Return the name of the gain of W."""
        octaves = [value for name, value in numbers.items() if name.endswith("_hz_db")]
        off_db = max(abs(value - _N3D_GAIN_DB) for value in octaves)
        gain_db = numbers["w_gain_db"]
        if off_db < self.exact_db:
            return "n3d"
        if abs(gain_db) <= self.weak_w_db:
            return "ambix"
        return "w-low" if gain_db < 0 else "w-high"


class SpatialAudioCheck(Check):
    """Accumulates tiles of audio, and checks whether its channels are W, Y, Z, X."""

    config: SpatialAudioConfig

    def __init__(self, config: SpatialAudioConfig) -> None:
        self.config = config
        self._ratios = FieldRatios(config.most_tiles)
        self._parts: list[Part] = []
        self._refusal: Verdict | None = None

    def begin_part(self, part: Part) -> None:
        """Process the channels of a part."""
        self._end_part()
        self._parts.append(part)
        if part.undecodable is not None:
            self._refusal = _refusal(part.undecodable.reason, part.undecodable.detail)
        if part.audio is not None and part.audio_format is None and self._refusal is None:
            self._refusal = _no_spatial_track("; ".join(part.audio.layout.evidence))

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:
        """Process the next tile: in ambiX if the format is stated, otherwise as stored."""
        self._ratios.feed(ambix if self._parts and self._parts[-1].is_stated else stored)

    def refusal(self) -> Verdict | None:
        """Return the verdict if there are no four channels of a sound field."""
        self._end_part()
        if self._refusal is None and self._parts and not any(part.audio for part in self._parts):
            return _no_spatial_track("there is no audio")
        return self._refusal

    def measure(self) -> dict[str, float]:
        """Return the measurements on all tiles so far; see `Check.measure`."""
        t = self.config
        numbers = self._ratios.measure(
            tolerance_db=t.tolerance_db,
            range_db=t.active_range_db,
            silent_dbfs=t.silent_dbfs,
            least_width=t.least_width,
        )
        layouts = {part.audio.layout.name for part in self._parts if part.audio is not None}
        stated = any(part.is_stated for part in self._parts)
        return numbers | {
            "order_is_stated": float(stated),
            "order_is_fixed": float("youtube-5.1" in layouts),
            "read_as_fuma": float("fuma" in layouts and not stated),
        }

    def _end_part(self) -> None:
        """Refuse channels that are no sound field by their number, and not by their samples."""
        part = self._parts[-1] if self._parts else None
        if part is None or part.audio is None or part.audio_format is None:
            return
        layout = part.audio.layout
        if layout.format is not None or self._refusal is not None:
            return
        numbers = as_stored(self.measure())
        if self.config.judge(numbers, {}).outcome is not Outcome.NOT_OK:
            detail = "; ".join(layout.evidence)
            self._refusal = judge(NAME, 0.9, ("surround", "surround"), detail, numbers)


def _refusal(reason: str, detail: str) -> Verdict:
    return judge(NAME, 0.99, (reason, reason), detail)


def _no_spatial_track(why: str) -> Verdict:
    return _refusal("no-spatial-track", f"there is no sound field to check: {why}")
