"""The decision whether a recording is accepted, based on its verdicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import BadItem
from yt360.quality.inspect import Configs, Inspection, InspectOptions, Inspector
from yt360.quality.verdict import Outcome, Verdict


@dataclass(frozen=True)
class Decision:
    """Whether a recording is accepted.

    Attributes:
        against: Rejecting verdicts, in the order of the checks.
        unsure: Names of the rejecting checks that are unsure.
    """

    against: tuple[Verdict, ...]
    unsure: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The overall outcome; unsure checks do not reject."""
        if self.against:
            return Outcome.NOT_OK
        return Outcome.UNSURE if self.unsure else Outcome.OK

    def describe(self) -> str:
        """Return the decision and its reasons in one line."""
        if self.against:
            return "rejected: " + ", ".join(f"{it.name} ({it.reason})" for it in self.against)
        return "accepted" + (f", unsure: {', '.join(self.unsure)}" if self.unsure else "")


def rejecting_by_default(checks: Configs) -> tuple[str, ...]:
    """Return the names of the checks whose "not ok" rejects by default."""
    return tuple(name for name, config in checks.items() if getattr(config, "rejects", False))


def decide(inspection: Inspection, rejecting: Collection[str] | None = None) -> Decision:
    """Return whether a recording is accepted, as a catalog and ``build-shards --inspect`` decide.

    Args:
        inspection: Inspection of the recording.
        rejecting: Names of the checks whose "not ok" rejects it; None for `rejecting_by_default`.
            A normalization that the conversion also detects does not reject, because it is
            converted.
    """
    if rejecting is None:
        rejecting = rejecting_by_default(inspection.checks)
    verdicts = [it for name, it in inspection.verdicts.items() if name in rejecting]
    wrong = [it for it in verdicts if it.outcome is Outcome.NOT_OK]
    return Decision(
        tuple(it for it in wrong if it.reason != inspection.layout),
        tuple(it.name for it in verdicts if it.outcome is Outcome.UNSURE),
    )


def require_acceptable(
    video: Path, audio_files: Collection[Path], options: InspectOptions | None = None
) -> None:
    """Run all checks on a video, and refuse it if a catalog would reject it.

    Args:
        video: File with the video.
        audio_files: Files that may also contain its spatial audio.
        options: Inspection options.

    Raises:
        BadItem: A check rejects the video (with the reason and numbers of the first one), or a file
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
