"""Converting a single clip."""

from __future__ import annotations

from typing import Any

from yt360.clip_codec.format import ClipFormat
from yt360.media.convert import ClipRequest, convert_clips
from yt360.media.source import Source


def convert_clip(
    source: Source, request: ClipRequest, clip_format: ClipFormat, **options: Any
) -> dict[str, Any]:
    """Convert one clip and return the facts of the conversion."""
    return next(convert_clips(source, [request], clip_format, **options))
