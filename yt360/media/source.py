"""A source: the video stream and the sound stream that clips are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Source:
    """A 360° video and its ambisonic sound, checked and ready to be converted.

    Attributes:
        video: The file with the picture.
        sound: The file with the ambisonic sound (the same one, or a companion).
        start_s: First time that both picture and sound cover.
        end_s: Last time that both cover (half open).
    """

    video: Path
    sound: Path
    start_s: float
    end_s: float


def open_source(
    video: Path,
    sound: Path | None = None,
    *,
    projection: str = "auto",
    stereo_mode: str = "auto",
    sound_layout: str = "auto",
) -> Source:
    """Inspect a video (and its companion sound file) and decide how it is converted.

    Raises:
        BadItem: With the reason why this is not a 360° video with spatial audio.
    """
    raise NotImplementedError


def w_levels(source: Source, window_s: float = 1.0) -> NDArray[np.float64]:
    """Return the W level in dBFS of each window of `window_s` from time 0 to the end."""
    raise NotImplementedError
