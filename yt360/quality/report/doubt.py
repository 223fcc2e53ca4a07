"""How doubtful a decision is, to show the most doubtful ones first."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from yt360.quality.decision import decide
from yt360.quality.findings import Findings
from yt360.quality.verdict import Outcome

# A measurement that rejects what all others accept is more often wrong than two that agree, and
# than a fact such as a missing track.
_ALONE = 0.2
# Contradictions; the most doubtful verdicts of rejecting checks come before, clear ones after.
_CONTRADICTION, _WARNING = 0.6, 0.5


@dataclass(frozen=True, order=True)
class Doubt:
    """Doubt about a decision.

    Attributes:
        value: From 0 (certain) to 1 (as likely the other way).
        reason: What is doubtful, in words.
    """

    value: float
    reason: str


def doubt_of(findings: Findings, rejecting: Collection[str]) -> Doubt:
    """Return the largest doubt about the decision on a recording.

    Args:
        findings: Findings on the recording.
        rejecting: Names of the checks that decide.
    """
    return max(_doubts(findings, rejecting), default=Doubt(0.0, "no check had anything to judge"))


def _doubts(findings: Findings, rejecting: Collection[str]) -> Iterator[Doubt]:
    decision = decide(findings, rejecting)
    if decision.against:
        surest = max(decision.against, key=lambda verdict: verdict.confidence)
        alone = len(decision.against) == 1 and surest.is_measured
        value = max(1 - surest.confidence, _ALONE if alone else 0.0)
        yield Doubt(value, f"{'only ' if alone else ''}{surest.name} rejects it")
        return
    for name, verdict in findings.verdicts.items():
        probability = f"{verdict.defect_probability:.0%}"
        if name in rejecting and verdict.outcome is not Outcome.NOT_OK:
            unsure = verdict.outcome is Outcome.UNSURE
            words = "is unsure" if unsure else "is the nearest to a no"
            yield Doubt(1 - verdict.confidence, f"{name} {words} ({probability})")
        elif name not in rejecting and verdict.outcome is Outcome.NOT_OK:
            value = _CONTRADICTION + 0.2 * verdict.confidence
            yield Doubt(value, f"although {name} says {verdict.reason} ({probability})")
    for warning in findings.warnings:
        yield Doubt(_WARNING, f"warning about the audio layout: {warning.code}")
