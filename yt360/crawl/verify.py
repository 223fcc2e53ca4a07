"""Verification that a downloaded media file is complete, by its own content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from yt360.crawl.failures import Damaged, Unsuitable
from yt360.errors import BadItem
from yt360.media.packet_times import declared_and_measured_s

SIZE_SLACK_BYTES = 100
"""YouTube sometimes adds or removes a few bytes at the end of a file; that is harmless."""

MAX_MEDIA_BYTES = 100 * 10**9
"""Maximum size of a stream whose size the site does not declare."""


def end_slack_s(duration_s: float) -> float:
    """Return how much earlier than declared media may end: 2 s or 2%, in seconds."""
    return max(2.0, 0.02 * duration_s)


def check_whole(
    path: Path,
    size_bytes: int | None,
    duration_s: float | None,
    measure: Callable[[Path], tuple[float | None, float]] = declared_and_measured_s,
) -> float:
    """Return the duration of a media file in seconds, after reading all of its packets.

    Nothing is decoded, so it takes little more time than reading the file.

    Args:
        path: The file.
        size_bytes: Declared size; None if unknown.
        duration_s: Declared duration; None if unknown. See `end_slack_s`.
        measure: Returns the duration in the file's header and the duration of its packets.

    Raises:
        Damaged: ``"empty"``, ``"wrong-size"``, ``"not-media"``, ``"truncated"`` or another reason
            why it cannot be read.
        Unsuitable: ``"undecodable"``: FFmpeg has no decoder for a stream.
    """
    actual = path.stat().st_size
    if actual == 0:
        raise Damaged("empty", f"{path.name} has 0 bytes")
    if size_bytes is not None and abs(actual - size_bytes) > SIZE_SLACK_BYTES:
        raise Damaged("wrong-size", f"{path.name} has {actual} bytes, declared {size_bytes}")
    try:
        declared, measured = measure(path)
    except BadItem as error:
        kind = Unsuitable if error.reason == "undecodable" else Damaged
        raise kind(error.reason, error.detail) from error
    for expected in (declared, duration_s):
        if expected and measured < expected - end_slack_s(expected):
            raise Damaged("truncated", f"{path.name} ends at {measured:.1f} of {expected:.1f} s")
    return measured
