"""When, within a clip, samples are taken: keyed draws on the grid of stored frames.

The picture of a sample lies in the middle of its sound, or at a random place in it. Its start is a
whole frame of the clip, so that picture and sound are in step to the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from yt360.errors import BadItem

VideoPosition = Literal["middle", "random"]


class Moment(NamedTuple):
    """Where a sample begins in its clip.

    Attributes:
        frame: First frame of the picture.
        sample: First sample of the sound.
    """

    frame: int
    sample: int


@dataclass(frozen=True)
class Span:
    """What is taken from a clip for one sample.

    Attributes:
        frames: Number of frames, T.
        samples: Number of sound samples, S.
        fps: Frame rate of the clips.
        sample_rate_hz: Sample rate of the clips.
        video_position: Whether the picture lies in the middle of the sound, or on a random frame of
            those that let it lie inside.
    """

    frames: int
    samples: int
    fps: int
    sample_rate_hz: int
    video_position: VideoPosition = "middle"

    @property
    def lead_s(self) -> float:
        """How long before a picture in its middle the sound starts; negative: after it."""
        return (self.samples / self.sample_rate_hz - self.frames / self.fps) / 2

    def first_sample(self, first_frame: int) -> int:
        """Return the sound's first sample for the first frame of a picture in its middle."""
        return round((first_frame / self.fps - self.lead_s) * self.sample_rate_hz)

    def first_frames(self, duration_s: float) -> range:
        """Return the first frames for which picture and sound lie inside a clip."""
        lead = math.ceil(max(self.lead_s, 0) * self.fps - 1e-6)
        last = math.floor((duration_s - max(self.lead_s, 0)) * self.fps + 1e-6) - self.frames
        return range(lead, last + 1)

    @property
    def most_shift(self) -> int:
        """Frames that the picture can lie before or after the middle of the sound."""
        if self.video_position == "middle":
            return 0
        return math.floor(max(self.lead_s, 0) * self.fps + 1e-6)


def draw_moments(
    span: Span, duration_s: float, count: int, gap_s: float, generator: np.random.Generator
) -> list[Moment]:
    """Draw `count` moments of a clip, in random order.

    Args:
        span: What a moment consists of.
        duration_s: Length of the clip.
        count: Number of moments.
        gap_s: Smallest time between the starts of the sounds of two moments.
        generator: Source of randomness.

    Raises:
        BadItem: ``"too-short"`` when the clip has no room for them.
    """
    allowed = span.first_frames(duration_s)
    gap = math.ceil(gap_s * span.fps - 1e-6)
    slack = len(allowed) - (count - 1) * gap
    if slack < 1:
        raise BadItem(
            "too-short",
            f"a clip of {duration_s:g} s has no room for {count} moments that start {gap_s:g} s "
            "apart",
        )
    # Gaps are taken out first and put back between the sorted draws.
    starts = allowed.start + np.sort(generator.integers(0, slack, count)) + gap * np.arange(count)
    middles = generator.permutation(starts).tolist()
    shifts = [0] * count
    if most := span.most_shift:
        shifts = generator.integers(-most, most + 1, count).tolist()
    return [
        Moment(middle + shift, span.first_sample(middle))
        for middle, shift in zip(middles, shifts, strict=True)
    ]
