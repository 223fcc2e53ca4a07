"""Converting stretches of a source into the clips that shards hold.

A clip is a mono equirectangular H.264 file at a constant rate and an ambiX FLAC file of the same
length. Both appear under their final names only when whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt360.media.source import Source


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """How clips are stored; the defaults are the trainer's."""

    width: int = 640
    height: int = 320
    fps: int = 16
    crf: int = 23
    gop: int = 8
    sample_rate_hz: int = 24000


@dataclass(frozen=True)
class ClipRequest:
    """One clip to be made: where it starts in the source, how long it is, where it goes."""

    start_s: float
    duration_s: float
    mp4: Path
    flac: Path


def convert_clips(
    source: Source, requests: Sequence[ClipRequest], form: ClipFormat, *, threads: int = 1
) -> Iterator[dict[str, Any]]:
    """Convert many clips of one source, decoding the source once; yield each clip's facts in order.

    The files have the same bytes as if each clip had been converted alone.

    Args:
        source: From `yt360.media.source.open_source`.
        requests: Clips in order of time; they may not overlap.
        form: How clips are stored.
        threads: Decoder threads; the bytes do not depend on them.

    Yields:
        For each request, in order: facts for the clip's ``.json`` member (plain JSON values).

    Raises:
        BadItem: The source does not decode or ends before a clip does.
        OSError: The disk is full or cannot be written.
    """
    raise NotImplementedError


def convert_clip(
    source: Source, request: ClipRequest, form: ClipFormat, *, threads: int = 1
) -> dict[str, Any]:
    """Convert one clip; see `convert_clips`."""
    return next(convert_clips(source, [request], form, threads=threads))
