"""What all verdicts on a recording come to: is it kept?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import BadItem
from yt360.quality.inspect import Inspection, InspectOptions, Inspector
from yt360.quality.verdict import Outcome, Verdict

# Sound that was laid over or clipped is told, but does not by itself make a video useless.
REJECTING = ("spatial-audio", "projection", "still-image", "silence", "picture", "duration")


@dataclass(frozen=True)
class Decision:
    """Whether a recording is kept.

    Attributes:
        against: Verdicts that reject it, in the order of the tests.
        unsure: Names of the tests among them that cannot tell.
    """

    against: tuple[Verdict, ...]
    unsure: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The overall answer: unsure tests do not reject."""
        if self.against:
            return Outcome.NOT_OK
        return Outcome.UNSURE if self.unsure else Outcome.OK

    def describe(self) -> str:
        """Return the answer and what decided it, in one line."""
        if self.against:
            return "rejected: " + ", ".join(f"{it.name} ({it.reason})" for it in self.against)
        return "accepted" + (f", unsure: {', '.join(self.unsure)}" if self.unsure else "")


def decide(inspection: Inspection, rejecting: Collection[str] = REJECTING) -> Decision:
    """Return whether a recording is kept, as a catalog and ``build-shards --inspect`` decide.

    Args:
        inspection: Of the recording.
        rejecting: Names of the tests whose "not ok" rejects it. Where the reading of media finds
            the same other normalization as the test, it converts it: that is no reason.
    """
    verdicts = [it for name, it in inspection.verdicts.items() if name in rejecting]
    wrong = [it for it in verdicts if it.outcome is Outcome.NOT_OK]
    return Decision(
        tuple(it for it in wrong if it.reason != inspection.layout),
        tuple(it.name for it in verdicts if it.outcome is Outcome.UNSURE),
    )


def require_acceptable(
    video: Path, audio_files: Collection[Path], options: InspectOptions | None = None
) -> None:
    """Run all tests on a video, and refuse it for what a catalog would reject it for.

    Args:
        video: File with the picture.
        audio_files: Files that may hold its spatial sound, too.
        options: Of the inspection.

    Raises:
        BadItem: With the reason of the first test that says no, and its numbers; or why the files
            cannot be read.
    """
    inspector = Inspector(video.name, options)
    inspector.add(video, tuple(audio_files))
    decision = decide(inspector.finish())
    if decision.against:
        verdict = decision.against[0]
        numbers = verdict.as_json()["numbers"]
        listed = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
        detail = f"{verdict.name}: {verdict.detail}"
        raise BadItem(verdict.reason, f"{detail} ({listed})" if listed else detail)
