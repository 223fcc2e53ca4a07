"""Detect black, blank and frozen video.

Black and blank frames have no contrast. Frozen video does not change at all, neither within a
fraction of a second nor over seconds. In a recording from a tripod, coded at a low rate, a few
blocks change all the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from yt360.config import config_class
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.checks.base import Capacity, Check, Count, Fraction, Number, Part, Positive
from yt360.quality.signal.blocks import block_means, changed_blocks
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "picture"


@config_class
class PictureConfig:
    """Thresholds for black, blank and frozen video; luma in [0, 255]."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True
    measuring: ClassVar[tuple[str, ...]] = (
        "black_luma", "blank_contrast", "frozen_levels", "frozen_texture_part", "frozen_area",
        "motionless_levels", "most_triplets",
    )  # fmt: skip
    measurement: ClassVar[int] = 3

    kind: str = NAME
    # Black of limited range is 16; a starry sky has more contrast.
    black_luma: Number = 32.0
    blank_contrast: Number = 10.0
    # Titles and credits of a few seconds are common.
    blank_fraction: Fraction = 0.25
    blank_softness: Positive = 0.08
    # H.264 at the rates of 360p changes a still block by less than 1 across key frames.
    frozen_levels: Number = 2.5
    frozen_texture_part: Number = 0.25
    frozen_area: Fraction = 0.002
    # Change of the 0.1 % of an image that change most in 0.4 s: recordings have at least 1.4 and
    # mostly more than 2, still images up to 0.5 once their coding has converged.
    motionless_levels: Number = 0.8
    # Below the clip length of 10 s, less than one clip is affected.
    frozen_s: Positive = 6.0
    frozen_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2
    least_triplets: Count = 2
    most_triplets: Capacity = 8192

    def build(self) -> PictureCheck:
        """Return the check; see `CheckConfig`."""
        return PictureCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],
    ) -> Verdict:
        """Return the verdict on all frames; see `CheckConfig`."""
        probes = numbers["probes"]
        if probes < self.least_triplets:
            return unsure(NAME, "too-few-pictures", f"too few moments to compare: {probes:.0f}")
        blank, longest_s = numbers["blank_share"], numbers["longest_frozen_s"]
        blank = _outside_silence(blank, earlier)
        empty = probability_above(blank, self.blank_fraction, self.blank_softness)
        stopped = min(
            probability_above(longest_s, self.frozen_s, self.frozen_s / 3),
            probability_above(
                numbers["frozen_share"], self.frozen_fraction, self.frozen_fraction / 2
            ),
        )
        if empty >= stopped:
            name = "black" if numbers["black_share"] >= numbers["blank_share"] / 2 else "blank"
            return judge(NAME, empty, ("moving", name), f"{blank:.0%} of the frames are {name}")
        detail = f"the longest stretch without any change lasts {longest_s:.0f} s"
        return judge(NAME, stopped, ("moving", "frozen"), detail)


def _outside_silence(blank: float, earlier: Mapping[str, Verdict]) -> float:
    """Return the least share of blank frames in the audible clips.

    Silent clips are left out of a dataset anyway, so a black and silent beginning does no harm. If
    all clips are silent, it is the share in all of them.
    """
    silent = earlier["silence"].numbers.get("silent_share", 0.0) if "silence" in earlier else 0.0
    return max(blank - silent, 0.0) / (1 - silent) if silent < 1 else blank


class PictureCheck(Check):
    """Accumulates contrast, and the longest time without a change."""

    config: PictureConfig

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
        if high - low < self.config.blank_contrast:
            self._frozen = None  # counted as blank
        else:
            self._follow_frozen(frames)
        self._triplets += 1

    def measure(self) -> dict[str, float]:
        """Return the measurements on all frames; see `Check.measure`."""
        if not self._triplets:
            return {"probes": 0.0}
        t = self.config
        luma, contrast = self._record.rows.T
        blank = contrast < t.blank_contrast
        # Add the longest frozen times of all parts, because frozen video is frozen in each of them.
        frozen_s, seen_s = sum(self._longest_frozen_s), max(sum(self._seen_s), 1e-3)
        return {
            "probes": float(self._triplets),
            "blank_share": float(blank.mean()),
            "black_share": float((blank & (luma < t.black_luma)).mean()),
            "longest_frozen_s": max(self._longest_frozen_s),
            "frozen_share": min(frozen_s / seen_s, 1.0),
            "mean_luma": float(luma.mean()),
        }

    def _follow_frozen(self, frames: FrameTriplet) -> None:
        """Compare with the first frame of the frozen interval, so that slow changes accumulate."""
        t = self.config
        blocks = block_means(np.abs(frames.frames[2] - frames.frames[0]), 6)
        if float(np.quantile(blocks, 0.999)) > t.motionless_levels:
            self._frozen = None
            return
        if self._frozen is not None:
            changed = changed_blocks(
                self._frozen.small[0], frames.small[0], t.frozen_levels, t.frozen_texture_part
            )
            if float(changed.mean()) <= t.frozen_area:
                length_s = frames.time_s - self._frozen.time_s
                self._longest_frozen_s[-1] = max(self._longest_frozen_s[-1], length_s)
                return
        self._frozen = frames
