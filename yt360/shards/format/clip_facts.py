"""The content of a clip's ``.json``, in the types that shards/README.md specifies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO

from pydantic import Field

from yt360.clips import MAX_ID_LENGTH, clip_key
from yt360.media.layout.field_correction import FieldCorrection
from yt360.shards.format.schema import ClipSeconds, Second
from yt360.untrusted.parsing import parse_fields, parse_json

MAX_FACTS_BYTES = 1 << 20
"""Largest ``.json`` of a clip; usual ones have about 1,500 bytes."""
VideoId = Annotated[str, Field(pattern=rf"^[A-Za-z0-9_-]{{1,{MAX_ID_LENGTH}}}$")]
Pixels = Annotated[int, Field(ge=1, le=1 << 16)]
Level = Annotated[float, Field(ge=-1000, le=1000)]


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """The file that a clip was cut from; unknown facts are None."""

    file_start_s: Second
    file: str | None = None
    url: str | None = None
    title: str | None = None
    channel: str | None = None
    channel_id: str | None = None
    license: str | None = None
    upload_date: str | None = None


@dataclass(frozen=True, kw_only=True)
class SourceVideo:
    """The video stream of the source."""

    projection: str | None = None
    height: Pixels | None = None


@dataclass(frozen=True, kw_only=True)
class LayoutWarningFacts:
    """A warning about the audio layout (`yt360.media.layout.warnings.LayoutWarning`)."""

    code: str


@dataclass(frozen=True, kw_only=True)
class SourceAudio:
    """The audio stream of the source.

    ``doubts`` are warnings about its layout; older datasets store them as sentences.
    """

    layout: str | None = None
    codec: str | None = None
    doubts: tuple[LayoutWarningFacts | str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the layout warnings that have one."""
        return tuple(each.code for each in self.doubts if isinstance(each, LayoutWarningFacts))


@dataclass(frozen=True, kw_only=True)
class ClipAudio:
    """How the audio of the clip was made; ``field_correction`` is None if its gain was kept."""

    field_correction: FieldCorrection | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertedClip:
    """How the clip was made."""

    sound: ClipAudio = ClipAudio()


@dataclass(frozen=True, kw_only=True)
class ConversionFacts:
    """Streams of the source, and what the conversion did."""

    video: SourceVideo = SourceVideo()
    sound: SourceAudio = SourceAudio()
    clip: ConvertedClip = ConvertedClip()


@dataclass(frozen=True, kw_only=True)
class QualityFacts:
    """Measurements before conversion."""

    level_dbfs: Level | None = None


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """The content of a clip's ``.json`` that this program uses.

    Sizes and rates are None if the file lacks them, which `yt360 check` reports.
    """

    video_id: VideoId
    start_s: Second
    duration_s: ClipSeconds
    source: SourceFacts
    width: Pixels | None = None
    height: Pixels | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    sample_rate_hz: Annotated[int, Field(ge=1, le=10**6)] | None = None
    conversion: ConversionFacts = field(default_factory=ConversionFacts)
    quality: QualityFacts = field(default_factory=QualityFacts)

    @property
    def key(self) -> str:
        """Key of the clip that it describes."""
        return clip_key(self.video_id, self.start_s)


def parse_facts(content: bytes | memoryview) -> ClipFacts:
    """Parse a clip's ``.json``.

    Raises:
        ValueError: It is longer than `MAX_FACTS_BYTES`, not JSON, or has an invalid value.
    """
    _check_size(content)
    return parse_json(bytes(content), ClipFacts)


def parse_facts_as_dicts(content: bytes) -> dict[str, Any]:
    """Return the fields of `ClipFacts` that a clip's ``.json`` has, in half the time.

    Raises:
        ValueError: See `parse_facts`.
    """
    _check_size(content)
    return parse_fields(content, ClipFacts)


def _check_size(content: bytes | memoryview) -> None:
    if len(content) > MAX_FACTS_BYTES:
        raise ValueError(f"it has {len(content)} bytes; at most {MAX_FACTS_BYTES} are allowed")


def facts_at(shard: BinaryIO, offset: int, size: int) -> ClipFacts:
    """Parse a clip's ``.json`` at a byte range of an open shard.

    Raises:
        ValueError: See `parse_facts`.
    """
    return parse_facts(os.pread(shard.fileno(), min(size, MAX_FACTS_BYTES + 1), offset))
