"""Draw clip windows: the frames and audio samples of a clip that form one training sample.

The video of a window starts on a stored frame and lies in the middle of its audio or at a random
position in it, so video and audio are aligned to the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from yt360.errors import BadItem

VideoPosition = Literal["middle", "random"]


class ClipWindow(NamedTuple):
    """Start of a window in its clip.

    Attributes:
        frame: First frame of the video.
        sample: First sample of the audio.
    """

    frame: int
    sample: int


@dataclass(frozen=True)
class WindowShape:
    """Size of a clip window.

    Attributes:
        num_frames: Frames of video, T.
        num_samples: Samples of audio, S.
        fps: Frame rate of the clips.
        sample_rate_hz: Sample rate of the clips.
        video_position: Whether the video is centred in the audio or at a random position in it.
    """

    num_frames: int
    num_samples: int
    fps: int
    sample_rate_hz: int
    video_position: VideoPosition = "middle"

    @property
    def lead_s(self) -> float:
        """Time from the start of the audio to the start of a centred video; may be negative."""
        return (self.num_samples / self.sample_rate_hz - self.num_frames / self.fps) / 2

    def first_sample(self, first_frame: int) -> int:
        """Return the first audio sample for a centred video that starts on `first_frame`."""
        return round((first_frame / self.fps - self.lead_s) * self.sample_rate_hz)

    def first_frames(self, duration_s: float) -> range:
        """Return the first frames for which video and audio lie inside a clip."""
        lead = math.ceil(max(self.lead_s, 0) * self.fps - 1e-6)
        last = math.floor((duration_s - max(self.lead_s, 0)) * self.fps + 1e-6) - self.num_frames
        return range(lead, last + 1)

    @property
    def max_shift(self) -> int:
        """Frames by which the video may be shifted from the middle of the audio."""
        if self.video_position == "middle":
            return 0
        return math.floor(max(self.lead_s, 0) * self.fps + 1e-6)


def draw_clip_windows(
    shape: WindowShape, duration_s: float, count: int, gap_s: float, generator: np.random.Generator
) -> list[ClipWindow]:
    """Draw windows of a clip, in random order.

    Args:
        shape: Size of each window.
        duration_s: Duration of the clip.
        count: Number of windows.
        gap_s: Minimum time between the starts of the audio of two windows.
        generator: Source of randomness.

    Raises:
        BadItem: ``"too-short"`` if the clip has no room for them.
    """
    allowed = shape.first_frames(duration_s)
    gap = math.ceil(gap_s * shape.fps - 1e-6)
    slack = len(allowed) - (count - 1) * gap
    if slack < 1:
        raise BadItem(
            "too-short",
            f"a clip of {duration_s:g} s has no room for {count} windows that start {gap_s:g} s "
            "apart",
        )
    # Draw from a range without the gaps, sort, then insert the gaps between the draws.
    starts = allowed.start + np.sort(generator.integers(0, slack, count)) + gap * np.arange(count)
    centred = generator.permutation(starts).tolist()
    shifts = [0] * count
    if most := shape.max_shift:
        shifts = generator.integers(-most, most + 1, count).tolist()
    return [
        ClipWindow(frame + shift, shape.first_sample(frame))
        for frame, shift in zip(centred, shifts, strict=True)
    ]
