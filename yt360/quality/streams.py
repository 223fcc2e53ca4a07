"""Which stream and which channels of a file are tested, and whether they can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonics.formats import AMBIX, YOUTUBE_5_1, AmbisonicFormat
from yt360.errors import BadItem
from yt360.media.info import AudioStream, VideoStream
from yt360.quality.checks.duration import Span


def tested_format(stream: AudioStream) -> AmbisonicFormat | None:
    """Return which channels are tested as W, Y, Z, X; None when there are too few."""
    if stream.layout.format is not None:
        return stream.layout.format
    if stream.channels == 6:
        return YOUTUBE_5_1
    return AMBIX if stream.channels >= 4 else None


def span_of(stream: VideoStream | AudioStream | None) -> Span | None:
    """Return the times of a stream for the test of durations; None without one."""
    if stream is None:
        return None
    return Span(stream.start_s, stream.end_s, stream.duration_declared_s)


def check_finite(path: Path, sound: NDArray[np.float32], start_s: float) -> None:
    """Refuse sound that no level can be told of: a float format can store NaN and infinity.

    Args:
        path: The file, for the message.
        sound: Samples (C, S).
        start_s: Time of the first one.

    Raises:
        BadItem: ``"not-finite"``.
    """
    if not np.isfinite(sound).all():
        detail = f"{path.name} has samples at {start_s:.0f} s that are no finite numbers"
        raise BadItem("not-finite", detail)
