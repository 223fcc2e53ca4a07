"""Compare two models, or two ways of training with several seeds each, by their records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsa.evals.comparison.paired import Difference, difference, video_values
from avsa.evals.config_options import option_text
from avsa.evals.report.runs import Found, read_runs
from avsa.evals.report.series import changed_options
from avsa.evals.result import VIDEOS, Metric
from yt360.errors import UserError

NOT_METRICS = ("video", "items")
"""Columns of the table of videos that are no metrics."""


@dataclass(frozen=True)
class Compared:
    """A metric of two models.

    Attributes:
        evaluation: Name of the evaluation and its options that differ from the defaults.
        metric: Name of the metric.
        unit: Unit of the metric.
        difference: First model minus second model.
    """

    evaluation: str
    metric: str
    unit: str
    difference: Difference


def compare(first: Sequence[Path], second: Sequence[Path]) -> list[Compared]:
    """Return the differences of all metrics that the records of all runs have by video.

    Evaluations are the same if their options and data are. The newest weights of a run count.

    Args:
        first: Folders of the runs of the first model, one for each training seed.
        second: Those of the second model, in the same order of seeds.

    Raises:
        UserError: The numbers of runs differ, a run has no records, or there is nothing to compare.
    """
    if len(first) != len(second):
        raise UserError(
            f"there are {len(first)} runs of the first model and {len(second)} of the second; give "
            "as many of each, in the same order of training seeds",
            "conflict",
            "--with",
        )
    models = [[_records(folder) for folder in folders] for folders in (first, second)]
    compared = []
    for key, found in models[0][0].items():
        seeds = [[run.get(key) for run in model] for model in models]
        records = [[each.record for each in model if each is not None] for model in seeds]
        if any(len(model) < len(first) for model in records):
            continue  # a run lacks this evaluation
        for metric in _metrics(found):
            try:
                values = [[video_values(each, metric) for each in model] for model in records]
            except UserError:
                continue  # a record of an earlier version
            usual = found.record.result.metrics.get(metric, Metric(value=0))
            compared.append(Compared(_title(found), metric, usual.unit, difference(*values)))
    if not compared:
        raise UserError(
            "the runs have no evaluation in common that has values of videos; carry out the same "
            "evaluations of each with the same options and data (avsa eval)",
            "empty",
        )
    return compared


def _records(folder: Path) -> dict[str, Found]:
    """Return the records of a run by evaluation, options and data."""
    (run,) = read_runs([folder])
    newest: dict[str, Found] = {}
    for found in sorted(run.found, key=lambda each: each.record.subject.step):
        options = changed_options(found)
        seed = found.record.settings.get("seed")
        newest[json.dumps([found.record.kind, options, seed, found.data], sort_keys=True)] = found
    return newest


def _metrics(found: Found) -> list[str]:
    rows = found.record.result.tables.get(VIDEOS, ())
    columns = dict.fromkeys(column for row in rows for column in row)
    return [column for column in columns if column not in NOT_METRICS]


def _title(found: Found) -> str:
    options = changed_options(found).items()
    chosen = (f"{name}={option_text(value)}" for name, value in options)
    return " ".join([found.record.kind, *chosen])
