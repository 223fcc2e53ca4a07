"""Detect black, blank and frozen video.

Black and blank frames have no contrast. Frozen video does not change at all, whereas the frames of
a recording differ by noise, light or motion over a few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from yt360.config import config_class
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.checks.base import Check, Fraction, Part
from yt360.quality.signal.blocks import changed_blocks
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "picture"


@config_class
class PictureConfig:
    """Thresholds for black, blank and frozen video; luma in [0, 255]."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # Black of limited range is 16; a starry sky has more contrast.
    black_luma: float = 32.0
    blank_contrast: float = 10.0
    # Titles and credits of a few seconds are common.
    blank_fraction: Fraction = 0.25
    blank_softness: float = 0.08
    # Same value as in `StillImageConfig` for frames some seconds apart.
    frozen_levels: float = 2.5
    frozen_texture_part: float = 0.25
    frozen_area: Fraction = 0.002
    # Below the clip length of 10 s, less than one clip is affected.
    frozen_s: float = 6.0
    frozen_fraction: Fraction = 0.2
    least_triplets: int = 2
    most_triplets: int = 8192

    def build(self) -> PictureCheck:
        """Return the check; see `CheckConfig`."""
        return PictureCheck(self)


class PictureCheck(Check):
    """Accumulates contrast, and the longest time without a change."""

    def __init__(self, config: PictureConfig) -> None:
        self.config = config
        # Mean luma, contrast.
        self._record = Timeline(config.most_triplets, 2)
        self._triplets = 0
        # Time seen and longest time without a change, for each part of the recording.
        self._seen_s: list[float] = []
        self._longest_frozen_s: list[float] = []
        self._first_s: float | None = None
        self._frozen: FrameTriplet | None = None

    def begin_part(self, part: Part) -> None:  # noqa: ARG002
        """Start the next part; see `Check.begin_part`."""
        self._first_s = self._frozen = None

    def add_frames(self, frames: FrameTriplet) -> None:
        """Process the next frames."""
        luma = frames.small[0]
        low, high = np.quantile(luma, [0.005, 0.995])
        self._record.add((float(luma.mean()), float(high - low)))
        if self._first_s is None:
            self._first_s = frames.time_s
            self._seen_s.append(0.0)
            self._longest_frozen_s.append(0.0)
        self._seen_s[-1] = frames.time_s - self._first_s
        self._follow_frozen(frames)
        self._triplets += 1

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict:  # noqa: ARG002
        """Return the verdict on all frames so far; see `Check.verdict`."""
        t = self.config
        if self._triplets < t.least_triplets:
            return unsure(NAME, "too-few-pictures", f"only {self._triplets} frames to compare")
        luma, contrast = self._record.rows.T
        blank = contrast < t.blank_contrast
        # Add the longest frozen times of all parts, because frozen video is frozen in each of them.
        frozen_s, seen_s = sum(self._longest_frozen_s), max(sum(self._seen_s), 1e-3)
        numbers = {
            "blank_share": float(blank.mean()),
            "black_share": float((blank & (luma < t.black_luma)).mean()),
            "longest_frozen_s": max(self._longest_frozen_s),
            "frozen_share": min(frozen_s / seen_s, 1.0),
            "mean_luma": float(luma.mean()),
        }
        empty = probability_above(numbers["blank_share"], t.blank_fraction, t.blank_softness)
        stopped = min(
            probability_above(numbers["longest_frozen_s"], t.frozen_s, t.frozen_s / 3),
            probability_above(numbers["frozen_share"], t.frozen_fraction, t.frozen_fraction / 2),
        )
        if empty >= stopped:
            black = numbers["black_share"] >= numbers["blank_share"] / 2
            name = "black" if black else "blank"
            detail = f"{numbers['blank_share']:.0%} of the frames are {name}"
            return judge(NAME, empty, ("moving", name), detail, numbers)
        longest_s = numbers["longest_frozen_s"]
        detail = f"the longest stretch without any change lasts {longest_s:.0f} s"
        return judge(NAME, stopped, ("moving", "frozen"), detail, numbers)

    def _follow_frozen(self, frames: FrameTriplet) -> None:
        """Compare with the first frame of the frozen interval, so that slow changes accumulate."""
        t = self.config
        if self._frozen is not None:
            changed = changed_blocks(
                self._frozen.small[0], frames.small[0], t.frozen_levels, t.frozen_texture_part
            )
            if float(changed.mean()) <= t.frozen_area:
                length_s = frames.time_s - self._frozen.time_s
                self._longest_frozen_s[-1] = max(self._longest_frozen_s[-1], length_s)
                return
        self._frozen = frames
