"""The interface of a quality check, which receives a recording in blocks and returns a verdict.

Shapes: C channels, S samples. A recording has one or more parts (a whole video, or its sections).
Each part is read once, audio first, and each block is passed to all checks. Checks must use little
memory, because a recording may last for hours.

Measuring and judging are separate, so that ``inspect CATALOG --rejudge`` applies other thresholds
without decoding. `Check.measure` reduces a recording to some dozens of numbers, which are stored.
``judge`` of the config class is a pure function of these numbers, the thresholds and the verdicts
of the preceding checks:

- Only `Check.measure` sees the recording. An option that it reads belongs in ``measuring``: a video
  that was measured with another value must be decoded again.
- ``judge`` gets the numbers as they are stored: six digits, without NaN and infinity. A missing
  number raises `MissingNumber`; ``"name" in numbers`` asks for a number that some recordings lack.
  It returns a verdict for every recording that has numbers.
- The verdict gets all measured numbers. ``judge`` may add derived ones under other names, if every
  verdict of the check has them.
- Facts that are not numbers (no spatial track, a projection that the conversion refuses) are a
  `Check.refusal`: a verdict that is stored, and kept as it is when a recording is judged again.
- Increase ``measurement`` of the config class when the meaning of a number changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

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
from yt360.quality.verdict import Verdict, as_stored

Fraction = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A threshold."""
Positive = Annotated[float, Field(gt=0, le=1e6)]
"""The distance from a threshold at which it has an effect, or another divisor."""
Count = Annotated[int, Field(ge=0, le=1_000_000)]
"""A number of things that a verdict needs."""
Capacity = Annotated[int, Field(ge=2, le=1_000_000)]
"""A number of things that are kept in memory."""


@dataclass(kw_only=True)
class Part:
    """One pair of files: a whole video or one section of it.

    Attributes:
        start_s: Time in the video at time 0 of the files.
        covered_s: Interval that both video and audio cover, in seconds of the files.
        is_section: Whether the files were cut from a longer video. Video and audio then start and
            end where the coding permits.
        video_file: File with the video.
        video: Video stream; None if there is none.
        projection: Projection of the video, or the error that refuses it; None without video.
        audio_file: File with the audio.
        audio: Audio stream; None if there is none.
        audio_format: Format of the channels W, Y, Z, X; None if there are too few channels.
        is_stated: Whether the file or the user states the format.
        undecodable: Error of possibly spatial audio that cannot be decoded; otherwise None.
        levels: Level of W per second, complete after the part was read; None without audio.
    """

    start_s: float = 0.0
    covered_s: tuple[float, float] = (0.0, 0.0)
    is_section: bool = False
    video_file: Path | None = None
    video: VideoStream | None = None
    projection: ResolvedProjection | BadItem | None = None
    audio_file: Path | None = None
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
    """A check of one recording. Override `measure` and the methods for the required input.

    Attributes:
        config: `CheckConfig` that built the check; its ``judge`` decides. A subclass annotates its
            own class.
    """

    config: Any

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

    def refusal(self) -> Verdict | None:
        """Return the verdict on facts that are not numbers, which replaces `measure`; or None."""
        return None

    def measure(self) -> Mapping[str, float] | None:
        """Return the measurements on all input so far; None if there is nothing to check."""
        raise NotImplementedError

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict | None:
        """Return the verdict on all input so far; None if there is nothing to check.

        Args:
            earlier: Verdicts of preceding checks, by name.
        """
        refusal = self.refusal()
        if refusal is not None:
            return refusal
        numbers = self.measure()
        return None if numbers is None else judged(self.config, numbers, earlier)


class CheckConfig(Protocol):
    """The thresholds of a check: a dataclass registered in `yt360.quality.checks.CHECKS`.

    A class may also have the attributes ``needs`` (``"audio"``, ``"video"`` or ``"audio and
    video"``; recordings without these streams get no verdict), ``rejects`` (whether its "not ok"
    rejects a recording by default; default False), ``measuring`` (names of the options that
    `Check.measure` uses; default none) and ``measurement`` (version of the meaning of the numbers;
    default 1).

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

    def judge(self, numbers: Mapping[str, float], earlier: Mapping[str, Verdict]) -> Verdict:
        """Return the verdict on a recording.

        Args:
            numbers: Measurements of the check.
            earlier: Verdicts of preceding checks, by name.

        Raises:
            MissingNumber: An older version measured the recording.
        """
        ...


class MissingNumber(KeyError):
    """A measurement is missing."""


class _Numbers(dict[str, float]):
    def __missing__(self, name: str) -> float:
        raise MissingNumber(name)


def judged(
    config: CheckConfig, measured: Mapping[str, float], earlier: Mapping[str, Verdict]
) -> Verdict:
    """Return the verdict of a config on measurements, fresh or stored, with all of them.

    Args:
        config: Config of the check.
        measured: Measurements by name.
        earlier: Verdicts of preceding checks, by name.

    Raises:
        MissingNumber: The config needs a number that is missing.
    """
    numbers = _Numbers(as_stored(measured))
    verdict = config.judge(numbers, earlier)
    return replace(verdict, numbers={**numbers, **verdict.numbers}, is_measured=True)


def measured_with(config: CheckConfig) -> dict[str, Any]:
    """Return what decides the measurements of a check: their version, and the options used."""
    options = {name: getattr(config, name) for name in getattr(config, "measuring", ())}
    return {"version": getattr(config, "measurement", 1), **options}
