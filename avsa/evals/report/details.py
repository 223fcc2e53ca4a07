"""The details of records, datasets and runs, to which every number of the report links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from avsa.evals.config_options import option_text
from avsa.evals.report.approach import as_mapping
from avsa.evals.report.charts import epoch_charts, training_charts
from avsa.evals.report.contents import (
    DatasetDetails,
    Details,
    Grid,
    Line,
    Row,
    RunDetails,
    Table,
    Value,
)  # fmt: skip
from avsa.evals.report.grids import MAX_TEXT, grid
from avsa.evals.report.paper_numbers import DATASETS
from avsa.evals.report.pictures import PictureBudget
from avsa.evals.report.runs import Found, Run
from avsa.evals.report.series import changed_options
from avsa.evals.result import PATH, TEST_PATH, VIDEOS, Metric
from yt360.buckets.address import as_url
from yt360.errors import UserError
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.terminal.text import shortened


def record_details(found: Found, pictures: PictureBudget) -> Details:
    """Return everything about a record."""
    record, subject = found.record, found.record.subject
    changed = (f"{name}={option_text(value)}" for name, value in changed_options(found).items())
    options = shortened(", ".join(changed), MAX_TEXT)
    facts = {
        "run": str(found.run),
        "model": found.approach.label(always_networks=True),
        "weights": subject.weights_sha256[:16],
        "trained": f"step {subject.step:,}, stage {subject.stage}" if subject.step else "",
        "training seed": subject.recipe.get("seed", ""),
        "data": record.data.get(PATH, ""),
        "tested on": record.data.get(TEST_PATH, ""),
        **found.data,
        "options": options,
        "seed": record.settings.get("seed", ""),
        "made": f"{record.made_at} by avsa {record.version} on {record.device}",
        "record": str(found.path),
    }
    result = record.result
    epochs = {name: rows for name, rows in result.tables.items() if name.startswith("epochs")}
    tables = {name: rows for name, rows in result.tables.items() if name not in {*epochs, VIDEOS}}
    return Details(
        anchor=found.anchor,
        title=" · ".join(filter(None, [f"{record.kind} of {found.run}", options])),
        facts=_facts(facts),
        command=record.command,
        metrics=_metrics(result.metrics),
        notes=tuple(result.notes),
        charts=tuple(chart for name, rows in epochs.items() for chart in epoch_charts(name, rows)),
        tables=tuple(grid(name, rows) for name, rows in tables.items()),
        pictures=pictures.pictures_of(found),
    )


def run_details(run: Run) -> RunDetails:
    """Return the facts of a run and the curves of its training."""
    facts = {
        "model": run.approach.label(always_networks=True) if run.recipe or run.found else "",
        "stages": ", ".join(map(str, as_mapping(run.recipe.get("stages")))),
        "seed": run.recipe.get("seed", ""),
        "dataset": ", ".join(run.datasets),
        "evaluations": str(len(run.found)),
    }
    return RunDetails(str(run.folder), _facts(facts), training_charts(run.folder))


def dataset_table(runs: Sequence[Run]) -> tuple[Table, tuple[DatasetDetails, ...]]:
    """Return Table 1 with the datasets of runs, and their details.

    Remote datasets, and those that are not here any more, have no numbers.

    Args:
        runs: All runs.
    """
    rows = [
        Row(name, (f"{videos:,}", f"{hours:g}"), ()) for name, (videos, hours) in DATASETS.items()
    ]
    details, lines = [], []
    for number, (path, fingerprints) in enumerate(_datasets(runs).items(), 1):
        anchor = f"dataset-{number}"
        facts, cells = _describe(path, anchor)
        details.append(DatasetDetails(anchor, path, _facts({**facts, **fingerprints})))
        lines.append(Line(path, "", cells))
    if lines:
        rows.append(Row("Ours", (), tuple(lines)))
    return Table(
        name="table-1",
        title="Table 1: datasets of 360° video",
        caption="Videos with spatial audio and their hours, all splits together. Every clip of a "
        "dataset of shards has spatial audio.",
        groups=(),
        columns=("videos", "hours"),
        rows=tuple(rows),
    ), tuple(details)


def _datasets(runs: Iterable[Run]) -> dict[str, dict[str, str]]:
    """Return the addresses of all datasets, with the fingerprints that records state."""
    datasets: dict[str, dict[str, str]] = {}
    for run in runs:
        for path in run.datasets:
            datasets.setdefault(path, {})
        for found in run.found:
            fingerprints = dict(found.data)
            if test_path := found.record.data.get(TEST_PATH, ""):
                datasets.setdefault(test_path, {})["test"] = fingerprints.pop("test", "")
            if path := found.record.data.get(PATH, ""):
                datasets.setdefault(path, {}).update(fingerprints)
    return datasets


def _describe(path: str, anchor: str) -> tuple[dict[str, str], tuple[Value, Value]]:
    """Return the facts of a dataset, and its numbers of videos and hours."""
    reason = "not found here"
    info: DatasetInfo | None = None
    with suppress(UserError, OSError):
        if as_url(path) is not None:
            reason = "remote, not read"
        else:
            info = DatasetInfo.load(Path(path))
    if info is None:
        unknown = Value("–", (anchor,), notes=(reason,))
        return {"dataset": reason}, (unknown, unknown)
    facts = {
        f"{name} split": f"{split.videos:,} videos, {split.clips:,} clips, "
        f"{split.duration_s / 3600:.2f} h"
        for name, split in info.splits.items()
    }
    facts["left out"] = f"{len(info.rejected):,} files or parts of files"
    if not info.complete:
        facts["state"] = "the build is not complete"
    videos = sum(split.videos for split in info.splits.values())
    hours = info.clips_s / 3600
    numbers = Value(f"{videos:,}", (anchor,)), Value(f"{hours:.3g}", (anchor,))
    return facts, numbers


def _metrics(metrics: Mapping[str, Metric]) -> Grid:
    rows = tuple((name.replace("_", " "), *metric.texts()) for name, metric in metrics.items())
    return Grid("metrics", ("metric", "value", "95 % interval", "chance"), rows)


def _facts(facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return the facts that are known, as texts."""
    return tuple((name, shortened(str(v), MAX_TEXT)) for name, v in facts.items() if v != "")
