"""Is the audio cut off at full scale? A pile of samples at the top of the scale.

Loud but intact audio reaches a level the less often the higher it is. Audio that was recorded or
mixed too loud is cut off: samples that should be above full scale are at full scale. Lossy coding
spreads that pile by a few per cent, also above full scale, but it remains a pile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from yt360.config import config_class
from yt360.quality.checks.base import AudioBlock, Check, Fraction
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "clipping"


@config_class
class ClippingConfig:
    """Thresholds of the clipping check; sizes of samples with full scale at 1."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = False

    kind: str = NAME
    sounding: float = 1e-3
    """Samples that count."""
    # -0.3 and -1.4 dBFS: the pile as coding leaves it, and the range just below it.
    top_from: float = 0.965
    below_from: float = 0.85
    # Chosen: audio that was cut off for 0.2 % of the time keeps 0.03 % after coding, and a pile of
    # 0.08; intact audio has next to nothing of either.
    clipped_fraction: Fraction = 1.5e-4
    pile: float = 0.05
    """Samples at the top for each sample just below it."""

    def build(self) -> ClippingCheck:
        """Return the check; see `CheckConfig`."""
        return ClippingCheck(self)


class ClippingCheck(Check):
    """Counts samples near full scale in each stored channel."""

    def __init__(self, config: ClippingConfig) -> None:
        self.config = config
        self._sounding = self._top = self._below = np.zeros(1)
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

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict:  # noqa: ARG002
        """Return the verdict on the worst channel; see `Check.verdict`."""
        t = self.config
        if self._sounding.sum() == 0:
            return unsure(NAME, "too-little-sound", "all audio is below the noise floor")
        fractions = self._top / np.maximum(self._sounding, 1)
        worst = int(np.argmax(fractions))
        clipped = float(fractions[worst])
        pile = float(self._top[worst] / max(self._below[worst], 1.0))
        numbers = {
            "clipped_share": clipped,
            "pile": pile,
            "peak_dbfs": float(20 * np.log10(max(self._peak, 1e-7))),
            "worst_channel": float(worst),
        }
        probability = min(
            probability_above(np.log10(clipped + 1e-9), np.log10(t.clipped_fraction), 0.4),
            probability_above(pile, t.pile, t.pile / 3),
        )
        detail = (
            f"{clipped:.3%} of the samples of channel {worst} are at full scale, {pile:.1f} times "
            "as many as just below it"
        )
        return judge(NAME, probability, ("intact", "clipped"), detail, numbers)
