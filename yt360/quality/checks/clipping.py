"""Detect audio that is clipped at full scale, by a peak in the histogram of amplitudes.

In intact audio, higher amplitudes are less frequent. In clipped audio, samples that should exceed
full scale are at full scale. Lossy coding spreads this peak by a few percent, also above full
scale, but does not remove it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from yt360.config import config_class
from yt360.quality.checks.base import AudioBlock, Check, Number, Positive
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "clipping"


@config_class
class ClippingConfig:
    """Thresholds of the clipping check; amplitudes with full scale at 1."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = False
    measuring: ClassVar[tuple[str, ...]] = ("sounding", "top_from", "below_from")

    kind: str = NAME
    sounding: Number = 1e-3
    """Minimum amplitude of counted samples."""
    # -0.3 and -1.4 dBFS: the peak after lossy coding, and the range just below it.
    top_from: Positive = 0.965
    below_from: Positive = 0.85
    # Audio that was clipped for 0.2 % of the time has 0.03 % after coding, and a peak of 0.08;
    # intact audio has almost zero of both.
    clipped_fraction: Annotated[float, Field(gt=0, le=1)] = 1.5e-4
    pile: Positive = 0.05
    """Minimum ratio of samples at the top to samples just below it."""

    def build(self) -> ClippingCheck:
        """Return the check; see `CheckConfig`."""
        return ClippingCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on the worst channel; see `CheckConfig`."""
        if numbers["sounding_samples"] == 0:
            return unsure(NAME, "too-little-sound", "all audio is below the noise floor")
        clipped, pile = numbers["clipped_share"], numbers["pile"]
        probability = min(
            probability_above(log10(clipped + 1e-9), log10(self.clipped_fraction), 0.4),
            probability_above(pile, self.pile, self.pile / 3),
        )
        detail = (
            f"{clipped:.3%} of the samples of channel {numbers['worst_channel']:.0f} are at full "
            f"scale, {pile:.1f} times as many as just below it"
        )
        return judge(NAME, probability, ("intact", "clipped"), detail)


class ClippingCheck(Check):
    """Counts samples near full scale in each stored channel."""

    config: ClippingConfig

    def __init__(self, config: ClippingConfig) -> None:
        self.config = config
        self._sounding = self._top = self._below = np.zeros(1, np.int64)
        self._peak = 0.0

    def add_audio(self, block: AudioBlock) -> None:
        """Count the samples of a block."""
        t = self.config
        size = np.abs(block.samples)
        self._sounding = self._sounding + np.sum(size > t.sounding, axis=1)
        top = np.sum(size >= t.top_from, axis=1)
        self._top = self._top + top
        self._below = self._below + np.sum(size >= t.below_from, axis=1) - top
        self._peak = max(self._peak, float(size.max(initial=0.0)))

    def measure(self) -> dict[str, float]:
        """Return the counts of the worst channel; see `Check.measure`."""
        fractions = self._top / np.maximum(self._sounding, 1)
        worst = int(np.argmax(fractions))
        return {
            "clipped_share": float(fractions[worst]),
            "pile": float(self._top[worst] / max(self._below[worst], 1.0)),
            "peak_dbfs": float(20 * np.log10(max(self._peak, 1e-7))),
            "sounding_samples": float(self._sounding.sum()),
            "worst_channel": float(worst),
        }
