"""Detect video and audio of different durations, which may be truncated or of different edits.

Containers and codecs shift ends by some hundredths of a second (a frame of AAC has 21 ms, of Opus
20 ms, of video 33 ms). A difference of more than half a second means that one stream was truncated,
or that files of different edits were combined and may be out of sync.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from yt360.config import config_class
from yt360.media.info import AudioStream, VideoStream
from yt360.quality.checks.base import Check, Number, Part
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "duration"


@config_class
class DurationConfig:
    """Thresholds of the duration check."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # Training samples have half a second of video.
    allowed_s: Number = 0.5
    """Maximum difference in seconds."""
    # Rounded frame rates cause drift in long videos.
    allowed_part: Number = 0.001
    """Maximum difference as a fraction of the duration; the larger limit applies."""

    def build(self) -> DurationCheck:
        """Return the check; see `CheckConfig`."""
        return DurationCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return whether video and audio cover the same time; see `CheckConfig`."""
        if "sound_s" not in numbers:
            return unsure(NAME, "no-sound", "there is no audio to compare with")
        allowed_s = max(self.allowed_s, self.allowed_part * numbers["picture_s"])
        start_s, end_s = numbers["start_difference_s"], numbers["end_difference_s"]
        missing_s, worst_s = numbers["missing_s"], max(abs(start_s), abs(end_s))
        if missing_s > max(worst_s, allowed_s):
            reason, detail = "truncated", f"the file declares {missing_s:.1f} s more than it holds"
            worst_s = missing_s
        elif abs(start_s) > abs(end_s):
            reason = "starts-differ"
            detail = f"the audio starts {start_s:+.2f} s from the start of the video"
        else:
            side, reason = ("before", "sound-shorter") if end_s < 0 else ("after", "sound-longer")
            detail = f"the audio ends {abs(end_s):.2f} s {side} the video"
        probability = probability_above(worst_s, allowed_s, allowed_s / 2)
        return judge(NAME, probability, ("equal", reason), detail)


class DurationCheck(Check):
    """Compares the streams of whole videos; the ends of sections are arbitrary."""

    config: DurationConfig

    def __init__(self, config: DurationConfig) -> None:
        self.config = config
        self._differences: list[dict[str, float]] = []

    def begin_part(self, part: Part) -> None:
        """Compare the streams of a part."""
        if part.video is not None and not part.is_section:
            audio = None if part.audio is None else TimeSpan.of(part.audio)
            self._differences.append(compare(TimeSpan.of(part.video), audio))

    def measure(self) -> dict[str, float] | None:
        """Return the differences of the part where they are largest; see `Check.measure`."""
        return max(self._differences, key=_largest_s, default=None)


@dataclass(frozen=True)
class TimeSpan:
    """The time that a stream covers in the presentation, in seconds, and its declared duration."""

    start_s: float
    end_s: float
    declared_s: Number = 0.0

    @classmethod
    def of(cls, stream: VideoStream | AudioStream) -> TimeSpan:
        """Return the time that a stream covers."""
        return cls(stream.start_s, stream.end_s, stream.duration_declared_s)

    @property
    def missing_s(self) -> float:
        """Declared minus measured duration in seconds."""
        return max(self.declared_s - (self.end_s - self.start_s), 0.0) if self.declared_s else 0.0


def compare(video: TimeSpan, audio: TimeSpan | None) -> dict[str, float]:
    """Return the durations of video and audio and their differences, in seconds."""
    numbers = {"picture_s": video.end_s - video.start_s, "missing_s": video.missing_s}
    if audio is None:
        return numbers
    return numbers | {
        "sound_s": audio.end_s - audio.start_s,
        "start_difference_s": audio.start_s - video.start_s,
        "end_difference_s": audio.end_s - video.end_s,
        "missing_s": max(video.missing_s, audio.missing_s),
    }


def _largest_s(numbers: Mapping[str, float]) -> float:
    names = ("missing_s", "start_difference_s", "end_difference_s")
    return max(abs(numbers.get(name, 0.0)) for name in names)
