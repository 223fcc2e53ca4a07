"""The interface of a quality check: a recording goes in piece by piece, a verdict comes out.

Shapes: C channels, S samples. A recording is one or more parts (a whole video, or its sections).
Each part is read once, its audio first, and every piece is passed to all checks. A check keeps what
it needs in little memory, since a recording may last for hours.
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
        start_s: Second of the video at time 0 of the files.
        covered_s: Start and end of what video and audio both cover, in seconds of the files.
        is_section: Whether the files were cut out of a longer video. Then video and audio start
            and end where the coding allows it.
        video: The video stream; None without one.
        projection: Its projection, or why the conversion refuses it; None without video.
        audio: The audio stream; None without one.
        audio_format: Which of its channels are W, Y, Z, X; None if there are too few.
        is_stated: Whether the file or the user states that format.
        undecodable: Why audio that may be spatial cannot be decoded; None for decodable audio.
        levels: Level of W by second; complete once the part has been read; None without audio.
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
        samples: (C, S) float32 as stored, full scale at 1: W, Y, Z, X, or the first channel alone
            if there are too few for ambisonics.
        w: (S,) float32, W with the gain of ambiX.
        sample_rate_hz: Stored rate.
    """

    samples: NDArray[np.float32]
    w: NDArray[np.float32]
    sample_rate_hz: int


class Check:
    """A check of one recording. Override `verdict`, and the methods for what it is based on."""

    def begin_part(self, part: Part) -> None:
        """Start the next part; what comes before it must not be compared with what follows."""

    def add_audio(self, block: AudioBlock) -> None:
        """Take the next block of audio."""

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:
        """Take the next segment of the sound field, of audio with at least four channels.

        Args:
            ambix: Converted to ambiX; its time is on the clock of the video, as that of frames.
            stored: The same of the channels as they are stored.
        """

    def add_frames(self, frames: FrameTriplet) -> None:
        """Take the next three video frames, in small."""

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict | None:
        """Return the verdict on everything so far; None if there is nothing to check.

        Args:
            earlier: Verdicts of the checks before this one, by name.
        """
        raise NotImplementedError


class CheckConfig(Protocol):
    """The thresholds of a check: a dataclass that `yt360.quality.checks.CHECKS` knows.

    A class may also have the attributes ``needs`` (``"audio"``, ``"video"`` or ``"audio and
    video"``: recordings without these streams get no verdict) and ``rejects`` (whether its
    "not ok" rejects a recording unless the user chooses other checks; default False).

    Attributes:
        kind: Name of the check.
    """

    kind: str

    def build(self) -> Check:
        """Return the check for one recording.

        Raises:
            UserError: A library or a file that it needs is missing.
        """
        ...
