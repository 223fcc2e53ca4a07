"""Is there a picture, and does it go on? Black, blank and frozen stretches.

Black and blank pictures have no contrast. A frozen picture does not change at all: a recording
that goes on always differs from itself by noise, light or motion, at least over some seconds.
"""

from __future__ import annotations

import numpy as np

from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.signal.blocks import changed_blocks
from yt360.quality.signal.timeline import Timeline
from yt360.quality.thresholds import DEFAULTS, PictureThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "picture"


class PictureTest:
    """Accumulates probes and says whether the picture is black, blank or frozen for long."""

    def __init__(self, thresholds: PictureThresholds = DEFAULTS.picture) -> None:
        self.thresholds = thresholds
        # Mean luma, contrast.
        self._record = Timeline(thresholds.most_probes, 2)
        self._probes = 0
        # Time seen, and the longest stretch without a change, of each part of the recording.
        self._seen_s: list[float] = []
        self._longest_frozen_s: list[float] = []
        self.begin_part()

    def begin_part(self) -> None:
        """Take what follows for another part of the recording, with a gap before it."""
        self._first_s: float | None = None
        self._frozen: FrameTriplet | None = None

    def feed(self, probe: FrameTriplet) -> None:
        """Take the next probe."""
        picture = probe.frames[0]
        low, high = np.quantile(picture, [0.005, 0.995])
        self._record.add((float(picture.mean()), float(high - low)))
        if self._first_s is None:
            self._first_s = probe.time_s
            self._seen_s.append(0.0)
            self._longest_frozen_s.append(0.0)
        self._seen_s[-1] = probe.time_s - self._first_s
        self._follow_frozen(probe)
        self._probes += 1

    def verdict(self) -> Verdict:
        """Return the verdict on all probes so far."""
        t = self.thresholds
        if self._probes < t.least_probes:
            return unsure(NAME, "too-few-pictures", f"only {self._probes} pictures")
        luma, contrast = self._record.rows.T
        blank = contrast < t.blank_contrast
        # Of each part its longest stretch counts: a frozen video is frozen in all of them.
        frozen_s, seen_s = sum(self._longest_frozen_s), max(sum(self._seen_s), 1e-3)
        numbers = {
            "blank_share": float(blank.mean()),
            "black_share": float((blank & (luma < t.black_luma)).mean()),
            "longest_frozen_s": max(self._longest_frozen_s),
            "frozen_share": min(frozen_s / seen_s, 1.0),
            "mean_luma": float(luma.mean()),
        }
        empty = probability_above(numbers["blank_share"], t.blank_share, t.blank_softness)
        stopped = min(
            probability_above(numbers["longest_frozen_s"], t.frozen_s, t.frozen_s / 3),
            probability_above(numbers["frozen_share"], t.frozen_share, t.frozen_share / 2),
        )
        if empty >= stopped:
            black = numbers["black_share"] >= numbers["blank_share"] / 2
            name = "black" if black else "blank"
            detail = f"{numbers['blank_share']:.0%} of the pictures are {name}"
            return judge(NAME, empty, ("moving", name), detail, numbers)
        longest_s = numbers["longest_frozen_s"]
        detail = f"the longest stretch without any change lasts {longest_s:.0f} s"
        return judge(NAME, stopped, ("moving", "frozen"), detail, numbers)

    def _follow_frozen(self, probe: FrameTriplet) -> None:
        """Compare with the first picture of a stretch, so that slow changes add up."""
        t = self.thresholds
        if self._frozen is not None:
            changed = changed_blocks(
                self._frozen.frames[0], probe.frames[0], t.frozen_levels, t.frozen_texture_part
            )
            if float(changed.mean()) <= t.frozen_area:
                length_s = probe.time_s - self._frozen.time_s
                self._longest_frozen_s[-1] = max(self._longest_frozen_s[-1], length_s)
                return
        self._frozen = probe
