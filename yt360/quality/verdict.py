"""The verdict of a quality check and its confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp
from typing import Any

# Between these probabilities, the check is unsure.
UNSURE_FROM = 0.35
UNSURE_TO = 0.65


class Outcome(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    NOT_OK = "not ok"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check on one recording, with measurements.

    Attributes:
        name: Name of the check, such as ``"spatial-audio"``.
        outcome: Whether the recording passes.
        defect_probability: Probability in [0, 1] that the recording has the defect. It is a score
            based on thresholds and not calibrated.
        reason: Short fixed identifier of the finding.
        detail: One sentence with the decisive numbers.
        numbers: Measurements by name, with units in the names.
        is_measured: Whether it follows from the numbers alone, so that they can be judged again.
    """

    name: str
    outcome: Outcome
    defect_probability: float
    reason: str
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)
    is_measured: bool = False

    @property
    def confidence(self) -> float:
        """Confidence in the outcome, in [0, 1]."""
        return abs(2 * self.defect_probability - 1)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values, with numbers rounded to six digits and NaN omitted."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "defect_probability": round(self.defect_probability, 4),
            "reason": self.reason,
            "detail": self.detail,
            "numbers": as_stored(self.numbers),
        }


def as_stored(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return numbers as they are stored: rounded to six digits, NaN and infinity omitted."""
    return {
        name: float(f"{value:.6g}") for name, value in numbers.items() if abs(value) < float("inf")
    }


def judge(
    name: str,
    defect_probability: float,
    reasons: tuple[str, str],
    detail: str,
    numbers: dict[str, float] | None = None,
) -> Verdict:
    """Return the verdict for a probability.

    Args:
        name: Name of the check.
        defect_probability: Probability of the defect, in [0, 1].
        reasons: Reasons for a recording without and with the defect; an unsure verdict has the
            more probable one.
        detail: One sentence with the decisive numbers.
        numbers: Measurements by name.
    """
    outcome = Outcome.UNSURE
    if defect_probability <= UNSURE_FROM:
        outcome = Outcome.OK
    elif defect_probability >= UNSURE_TO:
        outcome = Outcome.NOT_OK
    reason = reasons[defect_probability > 0.5]
    return Verdict(name, outcome, defect_probability, reason, detail, numbers or {})


def unsure(name: str, reason: str, detail: str, numbers: dict[str, float] | None = None) -> Verdict:
    """Return the verdict of a check with too little input for a decision."""
    return Verdict(name, Outcome.UNSURE, 0.5, reason, detail, numbers or {})


def probability_above(value: float, threshold: float, softness: float) -> float:
    """Return the probability that `value` is above `threshold`, by a logistic function.

    Args:
        value: A measurement.
        threshold: Value at which the result is 0.5.
        softness: Distance from the threshold at which the result is 0.88.
    """
    argument = max(min(-2 * (value - threshold) / softness, 60.0), -60.0)
    return 1 / (1 + exp(argument))


def worst(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the verdict with the highest probability of a defect; None if there are none."""
    return max(verdicts, key=lambda verdict: verdict.defect_probability, default=None)
