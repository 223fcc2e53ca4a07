"""The decision whether a recording is accepted, based on its verdicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from yt360.quality.checks.spatial_audio import CONVERTIBLE
from yt360.quality.configs import rejecting_by_default
from yt360.quality.findings import Findings
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


def decide(findings: Findings, rejecting: Collection[str] | None = None) -> Decision:
    """Return whether a recording is accepted, as a catalog and ``build-shards --inspect`` decide.

    Args:
        findings: Findings on the recording.
        rejecting: Names of the checks whose "not ok" rejects it; None for `rejecting_by_default`.
            A normalization that the conversion also detects does not reject, because it is
            converted.
    """
    if rejecting is None:
        rejecting = rejecting_by_default(findings.checks)
    verdicts = [it for name, it in findings.verdicts.items() if name in rejecting]
    wrong = [it for it in verdicts if it.outcome is Outcome.NOT_OK]
    return Decision(
        tuple(it for it in wrong if CONVERTIBLE.get(it.reason) != findings.layout),
        tuple(it.name for it in verdicts if it.outcome is Outcome.UNSURE),
    )
