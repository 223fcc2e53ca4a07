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
from yt360.quality.checks.base import Check, Part
from yt360.quality.verdict import Verdict, judge, probability_above, unsure, worst

NAME = "duration"


@config_class
class DurationConfig:
    """Thresholds of the duration check."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # Training samples have half a second of video.
    allowed_s: float = 0.5
    """Maximum difference in seconds."""
    # Rounded frame rates cause drift in long videos.
    allowed_part: float = 0.001
    """Maximum difference as a fraction of the duration; the larger limit applies."""

    def build(self) -> DurationCheck:
        """Return the check; see `CheckConfig`."""
        return DurationCheck(self)


class DurationCheck(Check):
    """Compares the streams of whole videos; the ends of sections are arbitrary."""

    def __init__(self, config: DurationConfig) -> None:
        self.config = config
        self._verdicts: list[Verdict] = []

    def begin_part(self, part: Part) -> None:
        """Compare the streams of a part."""
        if part.video is not None and not part.is_section:
            times = TimeSpan.of(part.video), TimeSpan.of(part.audio)
            self._verdicts.append(duration_verdict(*times, self.config))

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict | None:  # noqa: ARG002
        """Return the verdict on the worst part; see `Check.verdict`."""
        return worst(self._verdicts)


@dataclass(frozen=True)
class TimeSpan:
    """The time that a stream covers in the presentation, in seconds, and its declared duration."""

    start_s: float
    end_s: float
    declared_s: float = 0.0

    @classmethod
    def of(cls, stream: VideoStream | AudioStream | None) -> TimeSpan | None:
        """Return the time that a stream covers; None without one."""
        if stream is None:
            return None
        return cls(stream.start_s, stream.end_s, stream.duration_declared_s)

    @property
    def missing_s(self) -> float:
        """Declared minus measured duration in seconds."""
        return max(self.declared_s - (self.end_s - self.start_s), 0.0) if self.declared_s else 0.0


def duration_verdict(
    video: TimeSpan | None, audio: TimeSpan | None, config: DurationConfig
) -> Verdict:
    """Return whether video and audio cover the same time.

    Args:
        video: Time that the video covers; None without video.
        audio: Time that the audio covers; None without audio.
        config: Thresholds.
    """
    if video is None:
        return unsure(NAME, "no-picture", "there is no video to compare with")
    if audio is None:
        return unsure(NAME, "no-sound", "there is no audio to compare with")
    allowed_s = max(config.allowed_s, config.allowed_part * video.end_s)
    start_s, end_s = audio.start_s - video.start_s, audio.end_s - video.end_s
    missing_s = max(video.missing_s, audio.missing_s)
    worst_s = max(abs(start_s), abs(end_s))
    numbers = {
        "picture_s": video.end_s - video.start_s,
        "sound_s": audio.end_s - audio.start_s,
        "start_difference_s": start_s,
        "end_difference_s": end_s,
        "missing_s": missing_s,
    }
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
    return judge(NAME, probability, ("equal", reason), detail, numbers)
