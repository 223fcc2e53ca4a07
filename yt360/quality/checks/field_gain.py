"""Measure the gain of W relative to X, Y and Z, which the conversion to clips corrects.

A wrong gain is common in good recordings, so this check never rejects. ``build-shards`` corrects
the videos of a catalog by its measurements, so all clips of a video get the same gain: see
`yt360.media.layout.field_gain` and `yt360.media.layout.field_correction`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from yt360.config import config_class
from yt360.media.layout.field_correction import DEAD_BAND_DB, is_reliable
from yt360.media.layout.field_gain import FieldGain, FieldGainMeter
from yt360.media.layout.sound_field import FieldSegment
from yt360.quality.checks.base import Check, Part
from yt360.quality.verdict import Outcome, Verdict, unsure

NAME = "field-gain"


@config_class
class FieldGainConfig:
    """The check has no options: the limits of the correction decide."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = False

    kind: str = NAME

    def build(self) -> FieldGainCheck:
        """Return the check; see `CheckConfig`."""
        return FieldGainCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on the gain; see `CheckConfig`."""
        gain = FieldGain.from_numbers(numbers)
        if gain is None:
            return unsure(NAME, "too-little-sound", "there is too little audio to tell")
        size_db = abs(gain.broadband_db)
        detail = (
            f"the gain of W relative to X, Y, Z is {gain.broadband_db:+.1f} dB (tiles differ by "
            f"{gain.spread_db:.1f} dB, octaves by {gain.tilt_db:.1f} dB)"
        )
        if not is_reliable(gain):
            return unsure(NAME, "no-single-gain", detail)
        reason = "as-ambix"
        if size_db > DEAD_BAND_DB:
            reason = "w-low" if gain.broadband_db < 0 else "w-high"
        return Verdict(NAME, Outcome.OK, 0.0, reason, detail)


class FieldGainCheck(Check):
    """Measures the gain of all parts together, after the conversion to ambiX."""

    config: FieldGainConfig

    def __init__(self, config: FieldGainConfig) -> None:
        self.config = config
        self._meter = FieldGainMeter()
        self._is_spatial = self._has_field = False

    def begin_part(self, part: Part) -> None:
        """Note whether the channels of a part are a sound field."""
        self._is_spatial = part.audio is not None and part.audio.layout.is_spatial
        self._has_field |= self._is_spatial

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:  # noqa: ARG002
        """Measure a segment in ambiX."""
        if self._is_spatial:
            self._meter.feed(ambix)

    def measure(self) -> dict[str, float] | None:
        """Return `FieldGain.numbers`; None without a sound field."""
        gain = self._meter.gain()
        if gain is None:
            return {} if self._has_field else None
        return gain.numbers()
