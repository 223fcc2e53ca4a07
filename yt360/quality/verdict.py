"""The verdict of a quality check, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp
from typing import Any

# Below and above these probabilities the answer is given; between them the check is unsure.
UNSURE_FROM = 0.35
UNSURE_TO = 0.65


class Outcome(StrEnum):
    """The answer of a check."""

    OK = "ok"
    NOT_OK = "not ok"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Verdict:
    """The answer of one check on one recording, with its measurements.

    Attributes:
        name: The check, such as ``"spatial-audio"``.
        outcome: Whether the recording passes.
        defect_probability: Probability that the recording has the defect that the check looks for,
            0 to 1. It is a score between the thresholds, not a frequency measured on YouTube.
        reason: A short fixed slug to count by: what was found.
        detail: One sentence for a person, with the numbers that decided.
        numbers: Measurements by name, units in the names.
    """

    name: str
    outcome: Outcome
    defect_probability: float
    reason: str
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def confidence(self) -> float:
        """How sure the outcome is: 0 (a coin) to 1."""
        return abs(2 * self.defect_probability - 1)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; numbers are rounded to six digits, missing ones left out."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "defect_probability": round(self.defect_probability, 4),
            "reason": self.reason,
            "detail": self.detail,
            "numbers": {
                name: float(f"{value:.6g}")
                for name, value in self.numbers.items()
                if abs(value) < float("inf")
            },
        }


def judge(
    name: str,
    defect_probability: float,
    reasons: tuple[str, str],
    detail: str,
    numbers: dict[str, float] | None = None,
) -> Verdict:
    """Return the verdict that follows from a probability.

    Args:
        name: The check.
        defect_probability: 0 to 1.
        reasons: Slugs for a recording without and with the defect; an unsure verdict has the
            more probable one.
        detail: One sentence for a person.
        numbers: Measurements.
    """
    outcome = Outcome.UNSURE
    if defect_probability <= UNSURE_FROM:
        outcome = Outcome.OK
    elif defect_probability >= UNSURE_TO:
        outcome = Outcome.NOT_OK
    reason = reasons[defect_probability > 0.5]
    return Verdict(name, outcome, defect_probability, reason, detail, numbers or {})


def unsure(name: str, reason: str, detail: str, numbers: dict[str, float] | None = None) -> Verdict:
    """Return the verdict of a check that has too little to decide on."""
    return Verdict(name, Outcome.UNSURE, 0.5, reason, detail, numbers or {})


def probability_above(value: float, threshold: float, softness: float) -> float:
    """Return the probability that `value` is truly above `threshold`: a logistic curve.

    Args:
        value: A measurement.
        threshold: Where the answer is 0.5.
        softness: Distance from the threshold at which the answer is 0.88.
    """
    argument = max(min(-2 * (value - threshold) / softness, 60.0), -60.0)
    return 1 / (1 + exp(argument))


def worst(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the verdict with the highest probability of a defect; None without any."""
    return max(verdicts, key=lambda verdict: verdict.defect_probability, default=None)
