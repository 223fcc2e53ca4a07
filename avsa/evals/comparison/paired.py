"""Differences between models that were tested on the same videos, with 95 % intervals.

Videos differ in difficulty, often more than models do. Models are therefore compared video by
video. A hierarchical bootstrap draws training seeds with replacement, and videos with replacement,
the same for all models (Davison and Hinkley, "Bootstrap Methods and their Application", 1997,
section 3.8).

The interval contains the spread over seeds only as far as the seeds show it: two seeds say little
about it, and one says nothing.

Shapes: S seeds, V videos, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avsa.evals.bootstrap import CONFIDENCE, RESAMPLES, Numbers
from avsa.evals.result import VIDEOS, Record
from yt360.errors import UserError
from yt360.randomness import keyed_generator

_CHUNK = 250

VideoValues = Mapping[str, tuple[float, float]]
"""Value of a metric and number of items, by video."""


@dataclass(frozen=True)
class Term:
    """A model with a sign, in a sum such as a difference.

    Attributes:
        coefficient: 1 or -1, or another factor.
        seeds: Values of the metric by video, of each training seed of the model, in the same order
            of seeds in all terms.
    """

    coefficient: float
    seeds: Sequence[VideoValues]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference, or another sum of terms.

    Attributes:
        value: Mean over seeds.
        low: Lower end of the 95 % interval; None for fewer than two videos.
        high: Upper end of it.
        by_seed: Value of each seed, on all videos.
        videos: Number of videos that all terms have.
        resampled: Values of the resamples, sorted.
    """

    value: float
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]
    videos: int
    resampled: Numbers

    def p_value(self, hypothesis: float = 0.0) -> float:
        """Return the two-sided p-value of the hypothesis that the true value is `hypothesis`.

        Twice the fraction of resamples on the smaller side of it, at least 1 / (R + 1).
        """
        count = len(self.resampled)
        if not count:
            return 1.0
        sides = (self.resampled <= hypothesis).sum(), (self.resampled >= hypothesis).sum()
        return min(1.0, max(2 * int(min(sides)), 1) / (count + 1))


def video_values(record: Record, metric: str) -> VideoValues:
    """Return the values of a metric by video, from the table of a record.

    Raises:
        UserError: ``"missing"``: The record has none, since it is of an earlier version or the
            evaluation has no such values.
    """
    found = {
        str(row["video"]): (value, items)
        for row in record.result.tables.get(VIDEOS, ())
        if (value := _number(row.get(metric))) is not None
        and (items := _number(row.get("items"))) is not None
        and items > 0
    }
    if not found:
        raise UserError(
            f"the record of {record.kind} of {record.subject.name} has no values of {metric} by "
            "video; evaluate again, without the record",
            "missing",
            metric,
        )
    return found


def _number(value: object) -> float | None:
    """Return a finite number of a record, which may come from a stranger; else None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def difference(first: Sequence[VideoValues], second: Sequence[VideoValues]) -> Difference:
    """Return the difference of two models: that of `first` minus that of `second`.

    Args:
        first: Values by video, of each training seed.
        second: The same of the other model, with the same seeds.
    """
    return paired_sum([Term(1, first), Term(-1, second)])


def paired_sum(terms: Iterable[Term], seed: int = 0) -> Difference:
    """Return the sum of terms with its interval; see the module.

    A metric is the mean over videos, weighted by their items. Videos that a term lacks are left
    out. The mean over drawn seeds deviates from that over all seeds by too little, by a factor of
    sqrt((S - 1) / S); this is corrected.

    Args:
        terms: One or more.
        seed: Seed of the resamples.

    Raises:
        UserError: Terms have different numbers of seeds, or no video in common.
    """
    terms = list(terms)
    counts = {len(term.seeds) for term in terms}
    if len(counts) != 1 or counts == {0}:
        raise UserError(
            f"the models have {' and '.join(map(str, sorted(counts)))} seeds; give as many of each",
            "conflict",
        )
    shared = set.intersection(*(set(values) for term in terms for values in term.seeds))
    if not shared:
        raise UserError("the models were tested on different videos", "conflict")
    videos = sorted(shared)
    # (terms, S, V, 2): value times items, and items.
    sums = np.array(
        [
            [[(v * n, n) for v, n in map(values.__getitem__, videos)] for values in term.seeds]
            for term in terms
        ]
    )
    coefficients = np.array([term.coefficient for term in terms])
    by_seed = _by_seed(sums, coefficients, np.ones((1, len(videos))))[0]
    resampled = _resample(sums, coefficients, seed) if len(videos) > 1 else np.empty(0)
    low = high = None
    if len(resampled):
        tail = (100 - CONFIDENCE) / 2
        low, high = map(float, np.percentile(resampled, [tail, 100 - tail]))
    return Difference(
        value=float(by_seed.mean()),
        low=low,
        high=high,
        by_seed=tuple(by_seed.tolist()),
        videos=len(videos),
        resampled=resampled,
    )


def _by_seed(sums: Numbers, coefficients: Numbers, draws: Numbers) -> Numbers:
    """Return the sum of terms (R, S) where video v is drawn draws[:, v] times."""
    totals = np.einsum("rv,tsvc->rtsc", draws, sums)
    return np.einsum("t,rts->rs", coefficients, totals[..., 0] / totals[..., 1])


def _resample(sums: Numbers, coefficients: Numbers, seed: int) -> Numbers:
    """Return the sorted values of the resamples."""
    _, seeds, videos, _ = sums.shape
    generator = keyed_generator(seed, "paired bootstrap")
    scale = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
    found = []
    for first in range(0, RESAMPLES, _CHUNK):
        count = min(_CHUNK, RESAMPLES - first)
        drawn = generator.multinomial(videos, np.full(videos, 1 / videos), count)
        weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), count) / seeds
        values = _by_seed(sums, coefficients, drawn.astype(np.float64))
        mean = values.mean(1)
        found.append(mean + scale * ((weights * values).sum(1) - mean))
    return np.sort(np.concatenate(found))
