"""The interface of a quality check, which receives a recording in blocks and returns a verdict.

Shapes: C channels, S samples. A recording has one or more parts (a whole video, or its sections).
Each part is read once, audio first, and each block is passed to all checks. Checks must use little
memory, because a recording may last for hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from yt360.ambisonics.formats import AmbisonicFormat
from yt360.errors import BadItem
from yt360.media.info import AudioStream, VideoStream
from yt360.media.layout.sound_field import FieldSegment
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.media.video.projection import Kind, ResolvedProjection
from yt360.quality.signal.levels import LevelMeter
from yt360.quality.verdict import Verdict

Fraction = Annotated[float, Field(ge=0, le=1)]


@dataclass(kw_only=True)
class Part:
    """One pair of files: a whole video or one section of it.

    Attributes:
        start_s: Time in the video at time 0 of the files.
        covered_s: Interval that both video and audio cover, in seconds of the files.
        is_section: Whether the files were cut from a longer video. Video and audio then start and
            end where the coding permits.
        video: Video stream; None if there is none.
        projection: Projection of the video, or the error that refuses it; None without video.
        audio: Audio stream; None if there is none.
        audio_format: Format of the channels W, Y, Z, X; None if there are too few channels.
        is_stated: Whether the file or the user states the format.
        undecodable: Error of possibly spatial audio that cannot be decoded; otherwise None.
        levels: Level of W per second, complete after the part was read; None without audio.
    """

    start_s: float = 0.0
    covered_s: tuple[float, float] = (0.0, 0.0)
    is_section: bool = False
    video: VideoStream | None = None
    projection: ResolvedProjection | BadItem | None = None
    audio: AudioStream | None = None
    audio_format: AmbisonicFormat | None = None
    is_stated: bool = False
    undecodable: BadItem | None = None
    levels: LevelMeter | None = None

    @property
    def kind(self) -> Kind:
        """The kind of projection; ``"equirectangular"`` if the conversion refuses the video."""
        found = self.projection
        return found.kind if isinstance(found, ResolvedProjection) else "equirectangular"


@dataclass(frozen=True)
class AudioBlock:
    """Up to one second of audio.

    Attributes:
        samples: (C, S) float32 as stored, full scale at 1: W, Y, Z, X, or only the first channel
            if there are too few for ambisonics.
        w: (S,) float32, W with the gain of ambiX.
        sample_rate_hz: Stored sample rate.
    """

    samples: NDArray[np.float32]
    w: NDArray[np.float32]
    sample_rate_hz: int


class Check:
    """A check of one recording. Override `verdict` and the methods for the required input."""

    def begin_part(self, part: Part) -> None:
        """Start the next part, which must not be compared with earlier parts."""

    def add_audio(self, block: AudioBlock) -> None:
        """Process the next block of audio."""

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:
        """Process the next segment of the sound field of audio with at least four channels.

        Args:
            ambix: Segment converted to ambiX, with the time of the video.
            stored: The same segment of the stored channels.
        """

    def add_frames(self, frames: FrameTriplet) -> None:
        """Process the next triplet of small video frames."""

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict | None:
        """Return the verdict on all input so far; None if there is nothing to check.

        Args:
            earlier: Verdicts of preceding checks, by name.
        """
        raise NotImplementedError


class CheckConfig(Protocol):
    """The thresholds of a check: a dataclass registered in `yt360.quality.checks.CHECKS`.

    A class may also have the attributes ``needs`` (``"audio"``, ``"video"`` or ``"audio and
    video"``; recordings without these streams get no verdict) and ``rejects`` (whether its
    "not ok" rejects a recording by default; default False).

    Attributes:
        kind: Name of the check.
    """

    kind: str

    def build(self) -> Check:
        """Return the check for one recording.

        Raises:
            UserError: A required library or file is missing.
        """
        ...
