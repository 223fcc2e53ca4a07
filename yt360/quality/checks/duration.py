"""Do picture and sound last equally long? A sound that ends early was cut off or belongs elsewhere.

Containers and coders shift ends by some hundredths of a second (a frame of AAC is 21 ms, one of
Opus 20 ms, a picture 33 ms). More than half a second means that one of the two was truncated, or
that files of two different edits were put together, and then nothing says that they are in step.
"""

from __future__ import annotations

from dataclasses import dataclass

from yt360.quality.thresholds import DEFAULTS, DurationThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "duration"


@dataclass(frozen=True)
class Span:
    """What a stream covers in the presentation, in seconds, and what its header declares."""

    start_s: float
    end_s: float
    declared_s: float = 0.0


def duration_verdict(
    picture: Span | None,
    sound: Span | None,
    thresholds: DurationThresholds = DEFAULTS.duration,
) -> Verdict:
    """Return whether picture and sound cover the same time.

    Args:
        picture: Measured span of the picture; None without one.
        sound: Measured span of the sound; None without one.
        thresholds: See there.
    """
    if picture is None or sound is None:
        missing = "picture" if picture is None else "sound"
        return unsure(NAME, f"no-{missing}", f"there is no {missing} to compare with")
    allowed_s = max(thresholds.allowed_s, thresholds.allowed_part * (picture.end_s))
    start_s, end_s = sound.start_s - picture.start_s, sound.end_s - picture.end_s
    missing_s = max(_missing_s(picture), _missing_s(sound))
    worst_s = max(abs(start_s), abs(end_s))
    numbers = {
        "picture_s": picture.end_s - picture.start_s,
        "sound_s": sound.end_s - sound.start_s,
        "start_difference_s": start_s,
        "end_difference_s": end_s,
        "missing_s": missing_s,
    }
    if missing_s > max(worst_s, allowed_s):
        reason, detail = "truncated", f"the file declares {missing_s:.1f} s more than it holds"
        worst_s = missing_s
    else:
        reason = "sound-shorter" if end_s < 0 else "sound-longer"
        detail = (
            f"the sound ends {abs(end_s):.2f} s {'before' if end_s < 0 else 'after'} the picture"
        )
        if abs(start_s) > abs(end_s):
            reason = "starts-differ"
            detail = f"the sound starts {start_s:+.2f} s from the start of the picture"
    probability = probability_above(worst_s, allowed_s, allowed_s / 2)
    return judge(NAME, probability, ("equal", reason), detail, numbers)


def _missing_s(span: Span) -> float:
    return max(span.declared_s - (span.end_s - span.start_s), 0.0) if span.declared_s else 0.0
