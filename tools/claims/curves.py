"""Accuracy over training: curves, and the clips and minutes to learn."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from avsa.training.metrics_log import read_log
from claims.parts import Grid
from claims.variants import TABLES, Variant, of_table

VIEWS, CLIPS = "val/view_accuracy", "val/avc_accuracy"
TITLES = {VIEWS: "the right one of four views (%)", CLIPS: "the right clip of the batch (%)"}
TARGETS = (0.6, 0.7, 0.8)
OTHER_PROPOSALS = ("avts",)
"""Variants whose ``view_accuracy`` is among clip windows."""


@dataclass(frozen=True)
class Point:
    """A validation.

    Attributes:
        step: Steps so far.
        clips: Clips seen so far.
        minutes: Minutes of training so far, without validation.
        values: Metrics by name.
    """

    step: int
    clips: int
    minutes: float
    values: Mapping[str, float]


def curve(run: Path, batch_size: Mapping[str, int]) -> list[Point]:
    """Return the validations of a run.

    Args:
        run: Its folder.
        batch_size: Clips of a step, by stage.
    """
    return points(read_log(run), batch_size)


def points(records: Iterable[Mapping[str, object]], batch_size: Mapping[str, int]) -> list[Point]:
    """Return the validations in the records of a log."""
    found, clips, seconds = [], 0, 0.0
    for record in records:
        clips += batch_size[str(record["stage"])]
        seconds += float(str(record["step_s"]))
        values = {key: float(str(record[key])) for key in (VIEWS, CLIPS) if key in record}
        if values:
            found.append(Point(int(str(record["step"])), clips, seconds / 60, values))
    return found


def time_to(curve: Iterable[Point], target: float, metric: str = VIEWS) -> Point | None:
    """Return the first validation that reaches an accuracy; None if none does."""
    return next((each for each in curve if each.values.get(metric, 0.0) >= target), None)


Curves = Mapping[tuple[str, int], list[Point]]


def all_curves(grid: Grid) -> Curves:
    """Return the curves of all runs that have begun."""
    from avsa.config.recipe import load_config

    found = {}
    for variant, seed in grid.runs():
        run = grid.run(variant, seed)
        if not (run / "config.yaml").exists():
            continue
        stages = load_config(str(run / "config.yaml")).stages
        sizes = {name: stage.batch_size for name, stage in stages.items()}
        found[variant.name, seed] = [
            Point(each.step, each.clips, each.minutes, _comparable(variant, each.values))
            for each in curve(run, sizes)
        ]
    return found


def _comparable(variant: Variant, values: Mapping[str, float]) -> Mapping[str, float]:
    """Return the metrics that mean the same for all variants."""
    left_out = {VIEWS} if variant.name in OTHER_PROPOSALS else set()
    return {name: value for name, value in values.items() if name not in left_out}


def write_curves(path: Path, curves: Curves) -> None:
    """Write the curves as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["variant", "seed", "step", "clips", "minutes", VIEWS, CLIPS])
        for (variant, seed), points in curves.items():
            for each in points:
                numbers = [f"{each.values[k]:.4f}" if k in each.values else "" for k in TITLES]
                writer.writerow(
                    [variant, seed, each.step, each.clips, f"{each.minutes:.2f}", *numbers]
                )


def draw_curves(path: Path, curves: Curves) -> None:
    """Draw the curves: a row for each table, view accuracy by steps and minutes, and AVC."""
    panels = ((VIEWS, "step"), (VIEWS, "minutes"), (CLIPS, "step"))
    figure = Figure(figsize=(15, 4.5 * len(TABLES)), dpi=100, layout="constrained")
    axes = figure.subplots(len(TABLES), len(panels), squeeze=False)
    for row, (table, title) in enumerate(TABLES.items()):
        for column, (metric, axis) in enumerate(panels):
            panel = axes[row][column]
            for variant in of_table(table):
                label: str | None = variant.label
                for (name, _), points in curves.items():
                    known = [each for each in points if metric in each.values]
                    if name != variant.name or not known:
                        continue
                    panel.plot(
                        [getattr(each, axis) for each in known],
                        [100 * each.values[metric] for each in known],
                        color=variant.color, lw=1.2, label=label,
                    )  # fmt: skip
                    label = None
            if metric == VIEWS:
                panel.axhline(25, color="black", lw=0.8, ls=":")
            panel.set(xlabel=axis, ylabel=TITLES[metric], ylim=(0, 100))
            panel.spines[["top", "right"]].set_visible(False)
        for panel in (axes[row][0], axes[row][2]):
            if panel.get_legend_handles_labels()[1]:
                panel.legend(frameon=False, fontsize="small")
        axes[row][0].set_title(title, loc="left")
    figure.savefig(path, metadata={"Software": None})
