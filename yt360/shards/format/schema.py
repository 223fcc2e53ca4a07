"""The dataset folder: format version, file names, limits of numbers, and the row of a clip.

The folder's specification is ``shards/README.md`` at the top of the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from yt360.untrusted.names import file_name

FORMAT = "yt360-shards"
FORMAT_VERSION = 1
DATASET_FILE = "dataset.json"
INDEX_FILE = "index.parquet"
AUDIO_STATS_FILE = "audio_stats.json"
CLIPS = "clips"
CLIP_MEMBERS = ("flac", "json", "mp4")
MAX_CLIPS = 20_000_000
"""Limit of a split, in clips: six years of clips of 10 s."""

_SHARD_NAME = re.compile(r"([a-z][a-z0-9_]*(?:-[a-z0-9_]+)*)-([0-9]{6,18})\.tar")


def shard_name(number: int, kind: str = CLIPS) -> str:
    """Return the file name of a shard, such as ``clips-000003.tar``."""
    return f"{kind}-{number:06d}.tar"


def parse_shard_name(name: str) -> tuple[str, int] | None:
    """Return (kind, number) of a shard's file name, or None for another name."""
    match = _SHARD_NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def clip_shard_name(name: str) -> str:
    """Return `name` if `shard_name` can return it for a shard of clips.

    Raises:
        ValueError: It is another name, or not a file name.
    """
    parsed = parse_shard_name(file_name(name))
    if parsed is None or shard_name(parsed[1]) != name:
        raise ValueError(f"{name!r} is not the name of a shard of clips, such as {shard_name(0)!r}")
    return name


ClipShardName = Annotated[str, AfterValidator(clip_shard_name)]
"""The type of a field that holds the file name of a shard of clips."""
MAX_SECOND = 10**9
MAX_CLIP_S = 1e6
Second = Annotated[int, Field(ge=0, le=MAX_SECOND)]
"""A whole second of a video."""
ClipSeconds = Annotated[float, Field(gt=0, le=MAX_CLIP_S)]
"""Length of a clip in seconds, up to eleven days."""
ClipCount = Annotated[int, Field(ge=0, le=MAX_CLIPS)]
"""A number of clips of a split."""


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One clip of the index: its origin, and the byte range of each of its members.

    Attributes:
        key: Name of the clip, ``{video_id}-{start_s:05d}``.
        video_id: The uploaded video that it was cut from.
        start_s: Second of the uploaded video at which it starts.
        duration_s: Its length.
        file_start_s: Second of the uploaded video at which the source file starts.
        shard: File name of its shard, in the folder of its split.
    """

    key: str
    video_id: str
    start_s: int
    duration_s: float
    file_start_s: int
    shard: str
    flac_offset: int
    flac_bytes: int
    json_offset: int
    json_bytes: int
    mp4_offset: int
    mp4_bytes: int

    def byte_range(self, member: str) -> tuple[int, int]:
        """Return (offset, length) of a member inside the shard."""
        return getattr(self, f"{member}_offset"), getattr(self, f"{member}_bytes")
