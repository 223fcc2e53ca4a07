"""The counted content of a dataset or catalog: rows of a table, histograms and categories."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BINS = 40
LONG_TAIL = 20.0
"""If the maximum is above this multiple of the median, bins have logarithmic widths."""


@dataclass(frozen=True)
class TableRow:
    """Size of a split: one row of the table."""

    videos: int
    clips: int
    hours: float


@dataclass(frozen=True)
class Histogram:
    """Counts of a number over half-open ranges ``[edges[i], edges[i + 1])``.

    Attributes:
        name: What is counted, such as ``"level of clips (dBFS)"``.
        edges: (N + 1,) rising numbers.
        counts: (N,) counts; the last range includes its upper edge.
        is_log: Whether bins have logarithmic widths, as for a distribution with a long tail.
    """

    name: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    is_log: bool = False


@dataclass(frozen=True)
class DatasetCounts:
    """Counts of a dataset or a catalog.

    Attributes:
        rows: Split (or ``"total"``) -> its table row.
        histograms: Numbers of its clips and videos.
        categories: Name -> category -> number of videos or clips.
    """

    rows: dict[str, TableRow]
    histograms: list[Histogram] = field(default_factory=list)
    categories: dict[str, Counter[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "rows": {
                name: {"videos": row.videos, "clips": row.clips, "hours": row.hours}
                for name, row in self.rows.items()
            },
            "histograms": {
                each.name: {"edges": each.edges.tolist(), "counts": each.counts.tolist()}
                for each in self.histograms
            },
            "categories": {name: dict(count) for name, count in self.categories.items()},
        }


def total(rows: Iterable[TableRow]) -> TableRow:
    """Return the sum of rows."""
    rows = list(rows)
    return TableRow(
        sum(row.videos for row in rows),
        sum(row.clips for row in rows),
        sum(row.hours for row in rows),
    )


def histograms_of(
    values: Mapping[str, list[Any] | array[float] | NDArray[Any]],
) -> list[Histogram]:
    """Return a histogram of each list with at least one number; None is ignored."""
    histograms = []
    for name, each in values.items():
        if isinstance(each, list):
            each = [value for value in each if value is not None]
        numbers = np.asarray(each, np.float64)
        if len(numbers):
            has_tail = numbers.min() > 0 and numbers.max() > LONG_TAIL * np.median(numbers)
            edges = _log_edges(numbers) if has_tail else _even_edges(numbers)
            counts = np.histogram(numbers, edges)[0].astype(np.int64)
            histograms.append(Histogram(name, edges, counts, bool(has_tail)))
    return histograms


def _even_edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram_bin_edges(numbers, min(MAX_BINS, len(np.unique(numbers))))


def _log_edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    edges = np.geomspace(numbers.min(), numbers.max(), MAX_BINS + 1)
    if not np.all(numbers == np.round(numbers)):
        return edges
    halves = np.unique(np.round(edges)) - 0.5  # else some ranges could hold no whole number
    return np.append(halves, numbers.max() + 0.5)


def categories_of(values: Mapping[str, Counter[Any]]) -> dict[str, Counter[str]]:
    """Return the counts of values as those of words; None counts as ``unknown``."""
    return {name: _of_words(counts) for name, counts in values.items() if any(counts)}


def _of_words(counts: Counter[Any]) -> Counter[str]:
    words: Counter[str] = Counter()
    for value, count in counts.items():
        words[str(value or "unknown")] += count
    return words
