"""Draw clip windows: the frames and audio samples of a clip that form one training sample.

The video of a window starts on a stored frame and lies in the middle of its audio or at a random
position in it, so video and audio are aligned to the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.randomness import keyed_uniform

VideoPosition = Literal["middle", "random"]


class ClipWindows(NamedTuple):
    """Windows of N clips, M of each.

    Attributes:
        frames: int64 (N, M), first frame of the video.
        samples: int64 (N, M), first sample of the audio.
        fits: bool (N,), whether the clip has room for its windows; if not, they are meaningless.
    """

    frames: NDArray[np.int64]
    samples: NDArray[np.int64]
    fits: NDArray[np.bool_]


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

    def first_samples(self, first_frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first audio samples for centred videos that start on `first_frames`."""
        seconds = first_frames / self.fps - self.lead_s
        return np.rint(seconds * self.sample_rate_hz).astype(np.int64)

    @property
    def first_frame(self) -> int:
        """First frame from which a centred video has its audio in the clip."""
        return math.ceil(max(self.lead_s, 0) * self.fps - 1e-6)

    def num_first_frames(self, durations_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return from how many frames on, beginning with `first_frame`, all fits into clips."""
        ends = np.floor((durations_s - max(self.lead_s, 0)) * self.fps + 1e-6).astype(np.int64)
        return ends - self.num_frames - self.first_frame + 1

    @property
    def max_shift(self) -> int:
        """Frames by which the video may be shifted from the middle of the audio."""
        if self.video_position == "middle":
            return 0
        return math.floor(max(self.lead_s, 0) * self.fps + 1e-6)


def draw_clip_windows(
    shape: WindowShape,
    durations_s: Sequence[float] | NDArray[np.float64],
    count: int,
    gap_s: float,
    *key: int | str,
    positions: Sequence[int],
) -> ClipWindows:
    """Draw windows of clips, in random order.

    The windows of a clip depend on its duration, the key and its position, not on other clips.

    Args:
        shape: Size of each window.
        durations_s: Duration of each clip.
        count: Number of windows of each clip, M.
        gap_s: Minimum time between the starts of the audio of two windows.
        key: Key of the random numbers, such as the seed and the epoch.
        positions: Position of each clip in the order, the rest of the key.
    """
    gap, slack = _room(shape, durations_s, count, gap_s)
    most = shape.max_shift
    numbers = keyed_uniform(*key, "clip windows", positions=positions, count=3 * count)
    starts, ranks, shifts = numbers.reshape(-1, 3, count).swapaxes(0, 1)
    centred = shape.first_frame + (starts * np.maximum(slack, 1)[:, None]).astype(np.int64)
    if count > 1:
        # These are from a range without the gaps: sort, then insert the gaps between the draws.
        ordered = np.sort(centred) + gap * np.arange(count)
        centred = np.take_along_axis(ordered, np.argsort(ranks), axis=1)
    shifted = centred + (shifts * (2 * most + 1)).astype(np.int64) - most
    return ClipWindows(shifted, shape.first_samples(centred), slack >= 1)


def has_room(shape: WindowShape, duration_s: float, count: int, gap_s: float) -> bool:
    """Return whether a clip has room for windows; see `draw_clip_windows`."""
    return bool((_room(shape, [duration_s], count, gap_s)[1] >= 1).all())


def too_short(duration_s: float, count: int, gap_s: float) -> BadItem:
    """Return the error for a clip without room for its windows."""
    return BadItem(
        "too-short",
        f"a clip of {duration_s:g} s has no room for {count} windows that start {gap_s:g} s apart",
    )


def _room(
    shape: WindowShape,
    durations_s: Sequence[float] | NDArray[np.float64],
    count: int,
    gap_s: float,
) -> tuple[int, NDArray[np.int64]]:
    """Return the gap between windows in frames, and how many frames windows can move in clips."""
    gap = math.ceil(gap_s * shape.fps - 1e-6)
    frames = shape.num_first_frames(np.asarray(durations_s, dtype=np.float64))
    return gap, frames - (count - 1) * gap
