"""Detect silent recordings by the level of W in each clip, with hysteresis.

The level of a clip is the mean square of W in decibels relative to a full-scale square wave
(0 dBFS). The paper does not state its threshold. The default here is far below quiet recordings (a
beach has -39, speech -37) and above microphone hiss and the dither of empty tracks.

Hysteresis avoids fragmenting a recording whose level varies around one threshold: an audible
interval starts with a clearly loud clip and ends with a clearly silent one. The recording as a
whole is judged by the fraction of its clips below the middle of the two thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from yt360.clips import SILENT_BELOW_DBFS
from yt360.config import config_class, conflict
from yt360.quality.checks.base import Check, Fraction, Number, Part, Positive
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "silence"
LEVELS_DBFS = (
    -80.0, -70.0, -65.0, -62.5, -60.0, -57.5, -55.0, -52.5, -50.0, -45.0, -40.0, -30.0, -20.0,
    -10.0, 0.0,
)  # fmt: skip
"""Levels for which the fraction of clips below is measured; between them it is interpolated."""


@config_class
class SilenceConfig:
    """Thresholds of the silence check; levels of W in dBFS."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # A quiet recording of a beach has -39; hiss and dither of empty tracks have less than -65.
    open_dbfs: Number = -55.0
    """A clip at or above this level is not silent."""
    close_dbfs: Number = SILENT_BELOW_DBFS
    """A clip below this level is silent; between the levels, it is like the clip before it."""
    # A video with fewer than 10 % audible clips is hardly useful.
    silent_fraction: Fraction = 0.9
    """Fraction of silent clips above which a recording is silent."""
    silent_softness: Positive = 0.05

    def __post_init__(self) -> None:
        if self.open_dbfs < self.close_dbfs:
            raise conflict(f"open_dbfs {self.open_dbfs} is below close_dbfs {self.close_dbfs}")

    def build(self) -> SilenceCheck:
        """Return the check; see `CheckConfig`."""
        return SilenceCheck(self)

    @property
    def middle_dbfs(self) -> float:
        """Middle of the two thresholds."""
        return (self.open_dbfs + self.close_dbfs) / 2

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on all clips; see `CheckConfig`."""
        if numbers["clips"] == 0:
            return unsure(NAME, "too-little-sound", "there is no audio")
        shares = [numbers[_share_below(level)] for level in LEVELS_DBFS]
        silent = float(np.interp(self.middle_dbfs, LEVELS_DBFS, shares))
        detail = f"{silent:.0%} of the clips are silent; W is at {numbers['level_dbfs']:.1f} dBFS"
        probability = probability_above(silent, self.silent_fraction, self.silent_softness)
        return judge(NAME, probability, ("sounding", "silent"), detail, {"silent_share": silent})


class SilenceCheck(Check):
    """Classifies consecutive clips of the default length in the audio of each part."""

    config: SilenceConfig

    def __init__(self, config: SilenceConfig) -> None:
        self.config = config
        self._parts: list[Part] = []

    def begin_part(self, part: Part) -> None:
        """Process the levels of a part."""
        self._parts.append(part)

    def measure(self) -> dict[str, float]:
        """Return the distribution of the levels of all clips; see `Check.measure`."""
        parts = [part.levels.default_clips_dbfs() for part in self._parts if part.levels]
        return distribution([level for levels in parts for level in levels])


def distribution(levels_dbfs: Sequence[float]) -> dict[str, float]:
    """Return the distribution of the levels of clips: mean, extremes, fractions below levels."""
    levels = np.array(levels_dbfs)
    if not len(levels):
        return {"clips": 0.0}
    numbers = {
        "clips": float(len(levels)),
        "level_dbfs": 10 * float(np.log10(np.mean(10 ** (levels / 10)))),
        "loudest_clip_dbfs": float(levels.max()),
        "quietest_clip_dbfs": float(levels.min()),
    }
    return numbers | {_share_below(it): float(np.mean(levels < it)) for it in LEVELS_DBFS}


def _share_below(level_dbfs: float) -> str:
    return f"share_below_{level_dbfs:g}_dbfs"


def sounding_clips(levels_dbfs: Sequence[float], config: SilenceConfig) -> list[bool]:
    """Return for each clip, in temporal order, whether it is not silent.

    A clip at or above `open_dbfs` is audible, and one below `close_dbfs` is silent. In between, it
    is like the clip before it; the nearer threshold decides for the first clip.
    """
    state = bool(levels_dbfs) and levels_dbfs[0] >= config.middle_dbfs
    result = []
    for level in levels_dbfs:
        if level >= config.open_dbfs:
            state = True
        elif level < config.close_dbfs:
            state = False
        result.append(state)
    return result
