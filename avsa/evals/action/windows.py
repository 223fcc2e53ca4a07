"""The clip windows of a video, and their frames.

Frames are taken at a constant rate, each the stored frame that is nearest in time. A video that is
shorter than a window is repeated from its start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.media.video.reader import open_video

Times = NDArray[np.float64]
TEST_ENLARGEMENT = 128 / 112
"""Short side of a test frame, as a multiple of the side of its crop."""


@dataclass(frozen=True)
class ClipShape:
    """Size of a clip window.

    Attributes:
        num_frames: T.
        fps: Frames per second.
        height: Height of the frames that the encoder sees.
        width: Width of them.
    """

    num_frames: int
    fps: float
    height: int
    width: int

    @property
    def test_side(self) -> int:
        """Short side of a test frame, of which the centre is cut out: 128 for crops of 112."""
        return round(TEST_ENLARGEMENT * max(self.height, self.width))

    @property
    def duration_s(self) -> float:
        """Duration of a window."""
        return self.num_frames / self.fps

    def last_start_s(self, video_s: float) -> float:
        """Return the last possible start of a window in a video of a duration; 0 if it is short."""
        return max(0.0, video_s - self.duration_s)

    def frame_times(self, starts_s: Times, video_s: float) -> Times:
        """Return the times (N, T) of the frames of windows with starts (N,)."""
        times = starts_s[:, None] + np.arange(self.num_frames) / self.fps
        return times % video_s if video_s < self.duration_s else times


def random_starts(last_s: float, count: int, generator: np.random.Generator) -> Times:
    """Return starts (N,) that are uniform between 0 and the last possible one."""
    return generator.uniform(0, last_s, count)


def even_starts(last_s: float, count: int) -> Times:
    """Return starts (N,) that are evenly spaced from 0 to the last possible one."""
    return np.linspace(0, last_s, count)


@dataclass(frozen=True)
class Windows:
    """Clip windows of one video, which may share frames.

    Attributes:
        frames: uint8 (F, H, W, 3).
        rows: (N, T) row in `frames` of each frame of a window.
    """

    frames: NDArray[np.uint8]
    rows: NDArray[np.intp]


def read_windows(
    path: Path, shape: ClipShape, starts_of: Callable[[float], Times], centre: bool = False
) -> Windows:
    """Read clip windows of a video in one pass.

    Args:
        path: The video.
        shape: Size of a window.
        starts_of: Returns the starts (N,) of the windows, given the last possible one.
        centre: Scale the short side of frames to `ClipShape.test_side` and cut out the centre, of
            the height and width of `shape`; otherwise frames are whole.

    Raises:
        BadItem: The reasons of `yt360.media.video.reader.open_video`.
    """
    with open_video(path) as video:
        starts = starts_of(shape.last_start_s(video.duration_s))
        times = shape.frame_times(starts, video.duration_s)
        frames, rows = video.frames_at(times, shape.test_side if centre else None)
    if centre:
        top, left = (
            (all_of - part) // 2
            for all_of, part in zip(frames.shape[1:3], (shape.height, shape.width), strict=True)
        )
        frames = frames[:, top : top + shape.height, left : left + shape.width]
    return Windows(frames, rows)
