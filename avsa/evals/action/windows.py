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


def read_windows(path: Path, shape: ClipShape, starts_of: Callable[[float], Times]) -> Windows:
    """Read clip windows of a video in one pass.

    Args:
        path: The video.
        shape: Size of a window.
        starts_of: Returns the starts (N,) of the windows, given the last possible one.

    Raises:
        BadItem: The reasons of `yt360.media.video.reader.open_video`.
    """
    with open_video(path) as video:
        starts = starts_of(shape.last_start_s(video.duration_s))
        return Windows(*video.frames_at(shape.frame_times(starts, video.duration_s)))
