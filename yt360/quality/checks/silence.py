"""Detect silent recordings by the level of W in each clip, with hysteresis.

The level of a clip is the mean square of W in decibels relative to a full-scale square wave
(0 dBFS). The paper does not state its threshold. The default here is far below quiet recordings (a
beach has -39, speech -37) and above microphone hiss and the dither of empty tracks.

Hysteresis avoids fragmenting a recording whose level varies around one threshold: an audible
interval starts with a clearly loud clip and ends with a clearly silent one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from yt360.clips import SILENT_BELOW_DBFS
from yt360.config import config_class, conflict
from yt360.quality.checks.base import Check, Fraction, Part
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "silence"


@config_class
class SilenceConfig:
    """Thresholds of the silence check; levels of W in dBFS."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # A quiet recording of a beach has -39; hiss and dither of empty tracks have less than -65.
    open_dbfs: float = -55.0
    """A clip at or above this level is not silent."""
    close_dbfs: float = SILENT_BELOW_DBFS
    """A clip below this level is silent; between the levels, it is like the clip before it."""
    # A video with fewer than 10 % audible clips is hardly useful.
    silent_fraction: Fraction = 0.9
    """Fraction of silent clips above which a recording is silent."""
    silent_softness: float = 0.05

    def __post_init__(self) -> None:
        if self.open_dbfs < self.close_dbfs:
            raise conflict(f"open_dbfs {self.open_dbfs} is below close_dbfs {self.close_dbfs}")

    def build(self) -> SilenceCheck:
        """Return the check; see `CheckConfig`."""
        return SilenceCheck(self)


class SilenceCheck(Check):
    """Classifies consecutive clips of the default length in the audio of each part."""

    def __init__(self, config: SilenceConfig) -> None:
        self.config = config
        self._parts: list[Part] = []

    def begin_part(self, part: Part) -> None:
        """Process the levels of a part."""
        self._parts.append(part)

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict:  # noqa: ARG002
        """Return the verdict on all clips; see `Check.verdict`."""
        levels = [part.levels.default_clips_dbfs() for part in self._parts if part.levels]
        return silence_verdict(*levels, config=self.config)


def silence_verdict(*stretches_dbfs: Sequence[float], config: SilenceConfig) -> Verdict:
    """Return the verdict on clips with these levels.

    Args:
        stretches_dbfs: Levels of each sequence of consecutive clips, in temporal order.
        config: Thresholds.
    """
    levels_dbfs = [level for stretch in stretches_dbfs for level in stretch]
    if not levels_dbfs:
        return unsure(NAME, "too-little-sound", "there is no audio")
    sounding = [each for levels in stretches_dbfs for each in sounding_clips(levels, config)]
    silent = 1 - float(np.mean(sounding))
    mean = float(np.mean(10 ** (np.array(levels_dbfs) / 10)))
    numbers = {
        "level_dbfs": 10 * float(np.log10(mean)),
        "silent_share": silent,
        "loudest_clip_dbfs": max(levels_dbfs),
        "quietest_clip_dbfs": min(levels_dbfs),
        "clips": float(len(levels_dbfs)),
    }
    detail = f"{silent:.0%} of the clips are silent; W is at {numbers['level_dbfs']:.1f} dBFS"
    probability = probability_above(silent, config.silent_fraction, config.silent_softness)
    return judge(NAME, probability, ("sounding", "silent"), detail, numbers)


def sounding_clips(levels_dbfs: Sequence[float], config: SilenceConfig) -> list[bool]:
    """Return for each clip, in temporal order, whether it is not silent.

    A clip at or above `open_dbfs` is audible, and one below `close_dbfs` is silent. In between, it
    is like the clip before it; the nearer threshold decides for the first clip.
    """
    middle = (config.open_dbfs + config.close_dbfs) / 2
    state = bool(levels_dbfs) and levels_dbfs[0] >= middle
    result = []
    for level in levels_dbfs:
        if level >= config.open_dbfs:
            state = True
        elif level < config.close_dbfs:
            state = False
        result.append(state)
    return result
