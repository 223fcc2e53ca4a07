"""Tests of ordering: is one variant better than another, over seeds and videos?

The difference of a metric is measured video by video, for each seed of training, and has a 95 %
interval by a hierarchical paired bootstrap (`avsa.evals.comparison.paired`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from avsa.evals.comparison.paired import Difference, Term, paired_sum
from claims.results import Measure, Results

Verdict = Literal["held", "not decided", "reversed", "incomplete", "no numbers"]


@dataclass(frozen=True)
class Comparison:
    """A sum of terms that must be above a limit.

    Attributes:
        terms: Sign, variant and number: (1, "avsa", m), (-1, "avc", m) is a difference.
        title: What is compared.
        margin: Largest loss that still counts as none, in the unit of the metric; 0 if the
            difference must be above 0.
    """

    terms: tuple[tuple[float, str, Measure], ...]
    title: str
    margin: float = 0.0

    def test(self, results: Results) -> Tested:
        """Return the sum over all seeds that have all numbers, with its verdict."""
        seeds = results.seeds_of([(variant, measure) for _, variant, measure in self.terms])
        if not seeds:
            return Tested(self, None, (), "no numbers")
        found = paired_sum(
            Term(sign, results.values(variant, seeds, measure))
            for sign, variant, measure in self.terms
        )
        return Tested(self, found, tuple(seeds), verdict(found, self.margin))


@dataclass(frozen=True)
class Tested:
    """A comparison and what came of it.

    Attributes:
        comparison: The comparison.
        difference: The difference; None without numbers.
        seeds: Seeds of training that were compared.
        verdict: ``held``: the interval is above the limit; ``reversed``: it is below; ``not
            decided``: it contains the limit.
    """

    comparison: Comparison
    difference: Difference | None
    seeds: tuple[int, ...]
    verdict: Verdict


def better(first: str, second: str, measure: Measure, margin: float = 0.0) -> Comparison:
    """Return the comparison that `first` has a higher number than `second`.

    Args:
        first: A variant.
        second: Another variant.
        measure: The number.
        margin: See `Comparison`.
    """
    return better_than((first, measure), (second, measure), margin)


def better_than(
    first: tuple[str, Measure], second: tuple[str, Measure], margin: float = 0.0
) -> Comparison:
    """Return the comparison of two variants by different numbers of one unit."""
    title = f"{first[0]} - {second[0]}"
    return Comparison(((1, *first), (-1, *second)), title, margin)


def gains_more(first: str, second: str, more: Measure, less: Measure) -> Comparison:
    """Return the comparison that `first` gains more from `less` to `more` than `second` does."""
    terms = ((1.0, first, more), (-1.0, first, less), (-1.0, second, more), (1.0, second, less))
    return Comparison(terms, f"gain of {first} - gain of {second}")


def verdict(difference: Difference, margin: float = 0.0) -> Verdict:
    """Return whether a difference is above minus `margin`, by its interval."""
    if difference.low is None or difference.high is None:
        return "not decided"
    if difference.low > -margin:
        return "held"
    return "reversed" if difference.high < -margin else "not decided"


def overall(tested: Iterable[Tested]) -> Verdict:
    """Return the verdict of a claim: it holds if all of its comparisons hold.

    It is ``"incomplete"`` if all that were measured hold, and some were not measured.
    """
    verdicts: Sequence[Verdict] = [each.verdict for each in tested]
    worst: tuple[Verdict, ...] = ("reversed", "not decided")
    if found := [each for each in worst if each in verdicts]:
        return found[0]
    if "no numbers" in verdicts:
        return "incomplete" if "held" in verdicts else "no numbers"
    return "held"
