"""The records of all runs: metrics by variant, seed and evaluation, and values of single videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from avsa.evals.comparison.paired import VideoValues, video_values
from avsa.evals.result import FOLDER, Metric, Record, records_of
from claims.parts import Grid
from claims.size import Size
from claims.variants import Variant

CHOSEN = ("views", "translated", "inputs")
"""Options by which `avsa eval all` makes several records of one evaluation."""


@dataclass(frozen=True)
class Measure:
    """A number of an evaluation.

    Attributes:
        kind: Name of the evaluation.
        metric: Name of the metric.
        options: Options that differ from those of the record with all defaults.
    """

    kind: str
    metric: str
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        chosen = ", ".join(f"{name} {value}" for name, value in self.options.items())
        return f"{self.kind} {self.metric}" + (f" ({chosen})" if chosen else "")


DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "avc-bin": {"views": 4, "translated": False},
    "avsa-bin": {"views": 4, "translated": False},
    "segmentation": {"inputs": "video"},
}
"""Options of the record that is meant if none are named."""


class Results:
    """All records of a grid.

    Args:
        grid: The grid; runs without records have no numbers.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._records: dict[tuple[str, int], list[Record]] = {}
        for variant, seed in grid.runs():
            run = grid.run(variant, seed)
            records = [each for _, each in records_of(run)] if (run / FOLDER).is_dir() else []
            kept = [each for each in records if _is_of_size(each, grid.size)]
            self._records[variant.name, seed] = kept

    def record(self, variant: str, seed: int, measure: Measure) -> Record | None:
        """Return the record with a number; None if there is none."""
        wanted = {**DEFAULTS.get(measure.kind, {}), **measure.options}
        for record in self._records.get((variant, seed), []):
            settings = record.settings
            if record.kind == measure.kind and all(
                settings.get(name) == value for name, value in wanted.items()
            ):
                return record
        return None

    def metric(self, variant: str, seed: int, measure: Measure) -> Metric | None:
        """Return a number; None if there is none."""
        record = self.record(variant, seed, measure)
        return None if record is None else record.result.metrics.get(measure.metric)

    def metrics(self, variant: str, measure: Measure) -> list[Metric]:
        """Return a number for each seed that has it."""
        found = (self.metric(variant, seed, measure) for seed in self.grid.seeds)
        return [each for each in found if each is not None]

    def seeds_of(self, pairs: Sequence[tuple[str, Measure]]) -> list[int]:
        """Return the seeds for which all numbers exist."""
        return [
            seed
            for seed in self.grid.seeds
            if all(self.record(variant, seed, measure) for variant, measure in pairs)
        ]

    def values(self, variant: str, seeds: Sequence[int], measure: Measure) -> list[VideoValues]:
        """Return the values by video of each seed."""
        found = []
        for seed in seeds:
            record = self.record(variant, seed, measure)
            assert record is not None
            found.append(video_values(record, measure.metric))
        return found

    def rows(self) -> list[dict[str, object]]:
        """Return every metric of every record, as rows of a table."""
        return [
            {
                "variant": variant,
                "seed": seed,
                "evaluation": record.kind,
                "options": " ".join(
                    f"{name}={record.settings[name]}" for name in CHOSEN if name in record.settings
                ),
                "metric": name,
                "value": metric.value,
                "low": metric.low,
                "high": metric.high,
                "chance": metric.chance,
                "unit": metric.unit,
            }
            for (variant, seed), records in self._records.items()
            for record in records
            for name, metric in record.result.metrics.items()
        ]

    def count(self, seed: int) -> int:
        """Return the number of variants with a record for a seed."""
        return sum(bool(records) for (_, of), records in self._records.items() if of == seed)

    def has(self, variant: Variant) -> bool:
        """Return whether there is a record of a variant."""
        return any(self._records.get((variant.name, seed)) for seed in self.grid.seeds)


def _is_of_size(record: Record, size: Size) -> bool:
    """Return whether a record was made with the options of a size, as far as these are numbers."""
    for name, value in size.evaluation.items():
        kind, _, key = name.partition(".")
        if kind == record.kind and "." not in key and record.settings.get(key) != value:
            return False
    return True
