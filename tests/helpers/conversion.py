"""Converting single clips, and reading what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from yt360.clip_codec.format import ClipFormat
from yt360.media.convert import ClipRequest, convert_clips
from yt360.media.source import Source


def convert_clip(
    source: Source, request: ClipRequest, clip_format: ClipFormat, **options: Any
) -> dict[str, Any]:
    """Convert one clip and return the facts of the conversion."""
    return next(convert_clips(source, [request], clip_format, **options))


def request(folder: Path, start_s: float, duration_s: float, name: str = "clip") -> ClipRequest:
    return ClipRequest(start_s, duration_s, folder / f"{name}.mp4", folder / f"{name}.flac")


def numbers(media, path: Path) -> list[int]:
    with av.open(f"file:{path}") as container:
        return [media.number_of(f.to_ndarray()[: f.height]) for f in container.decode(video=0)]


def ambix(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 24000
    return samples.T
