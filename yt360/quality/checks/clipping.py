"""Is the sound cut off at full scale? A pile of samples at the top of the scale.

Loud but intact sound visits a level the more rarely the higher it is. Sound that was recorded or
mixed too hot is cut off: what should lie above full scale lies just at it. Coding with a loss
smears that pile by a few per cent, and past full scale too, but leaves it a pile.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yt360.quality.thresholds import DEFAULTS, ClippingThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "clipping"


class ClippingTest:
    """Counts samples near full scale in each stored channel.

    Args:
        channels: Number of channels.
        thresholds: See there.
    """

    def __init__(self, channels: int, thresholds: ClippingThresholds = DEFAULTS.clipping) -> None:
        self.thresholds = thresholds
        self._sounding = np.zeros(channels)
        self._top = np.zeros(channels)
        self._below = np.zeros(channels)
        self._peak = 0.0

    def feed(self, sound: NDArray[np.float32]) -> None:
        """Take the next samples (C, S), full scale at 1."""
        t = self.thresholds
        size = np.abs(sound)
        self._sounding += np.sum(size > t.sounding, axis=1)
        top = np.sum(size >= t.top_from, axis=1)
        self._top += top
        self._below += np.sum(size >= t.below_from, axis=1) - top
        self._peak = max(self._peak, float(size.max(initial=0.0)))

    def verdict(self) -> Verdict:
        """Return the verdict on the worst channel."""
        t = self.thresholds
        if self._sounding.sum() == 0:
            return unsure(NAME, "too-little-sound", "no sound above the noise floor")
        shares = self._top / np.maximum(self._sounding, 1)
        worst = int(np.argmax(shares))
        share = float(shares[worst])
        pile = float(self._top[worst] / max(self._below[worst], 1.0))
        numbers = {
            "clipped_share": share,
            "pile": pile,
            "peak_dbfs": float(20 * np.log10(max(self._peak, 1e-7))),
            "worst_channel": float(worst),
        }
        probability = min(
            probability_above(np.log10(share + 1e-9), np.log10(t.clipped_share), 0.4),
            probability_above(pile, t.pile, t.pile / 3),
        )
        detail = (
            f"{share:.3%} of the samples of channel {worst} lie at full scale, {pile:.1f} times as "
            "many as just below"
        )
        return judge(NAME, probability, ("intact", "clipped"), detail, numbers)
