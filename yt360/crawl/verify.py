"""Is a downloaded file whole? Asked of the file itself, not of the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from yt360.crawl.failures import Damaged, Unsuitable
from yt360.errors import BadItem
from yt360.media.extent import declared_and_measured_s

SIZE_SLACK_BYTES = 100
"""YouTube now and then adds or takes a few bytes at a file's end without harm."""

MAX_MEDIA_BYTES = 100 * 10**9
"""Limit of a stream whose size the site does not declare."""


def end_slack_s(duration_s: float) -> float:
    """Return by how much media may end before the length that is declared: 2 s or 2%."""
    return max(2.0, 0.02 * duration_s)


def check_whole(
    path: Path,
    size_bytes: int | None,
    duration_s: float | None,
    measure: Callable[[Path], tuple[float | None, float]] = declared_and_measured_s,
) -> float:
    """Return the length in seconds of a media file after reading all its packets.

    Nothing is decoded, so this costs little more than reading the file.

    Args:
        path: The file.
        size_bytes: Its size if the site declares one.
        duration_s: The video's length if the site declares one; see `end_slack_s`.
        measure: Reads its declared and its true length.

    Raises:
        Damaged: ``"empty"``, ``"wrong-size"``, ``"not-media"``, ``"truncated"`` or another reason
            for which it cannot be read.
        Unsuitable: ``"undecodable"``: FFmpeg has no decoder for its picture or its sound.
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
