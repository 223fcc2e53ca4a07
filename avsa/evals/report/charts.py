"""Line charts as paths of SVG, which take the colours of the page, light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsa.evals.report.contents import Chart, Curve
from avsa.evals.result import Row
from avsa.training.metrics_log import FILE_NAME, log_records

WIDTH, HEIGHT = 400.0, 150.0
MAX_POINTS = 300
MAX_CURVES = 6
MAX_DOTS = 20
LARGEST = 1e30
Points = tuple[Sequence[float], Sequence[float]]
"""Positions and values of a curve."""


def training_charts(run: Path) -> tuple[Chart, ...]:
    """Return the loss and the validation accuracies of the log of a run; none without a log.

    Raises:
        UserError: The log is not a regular file in the folder, or too long.
    """
    if not (run / FILE_NAME).exists():
        return ()
    values: dict[str, tuple[list[float], list[float]]] = {}
    starts: dict[str, float] = {}
    for record in log_records(run, inside=run):
        if not _is_number(record["step"]):
            continue
        step = float(record["step"])
        starts.setdefault(str(record.get("stage", "")), step)
        for name, value in record.items():
            if name in ("loss", "val/loss") or _is_validation_accuracy(name):
                steps, numbers = values.setdefault(name, ([], []))
                if _is_number(value):
                    steps.append(step)
                    numbers.append(float(value))
    names = {"loss": "training", "val/loss": "validation"}
    losses = {names[name]: values[name] for name in names if name in values}
    accuracies = {
        name.removeprefix("val/").replace("_", " "): each
        for name, each in values.items()
        if _is_validation_accuracy(name)
    }
    marks = [(step, name) for name, step in starts.items() if name] if len(starts) > 1 else []
    charts = (
        chart("loss", losses, "step", marks),
        chart("accuracy on held-out clips (%)", _percent(accuracies), "step", marks),
    )
    return tuple(each for each in charts if each.curves)


def epoch_charts(name: str, rows: Sequence[Row]) -> tuple[Chart, ...]:
    """Return the loss and the other metrics of a table of epochs, such as that of a head."""
    values: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for column, value in row.items():
            if column in ("epoch", "lr", "fold") or not _is_number(value):
                continue
            if _is_number(row.get("epoch")):
                label = f"{column}, fold {row['fold']}" if "fold" in row else column
                epochs, numbers = values.setdefault(label, ([], []))
                epochs.append(float(row["epoch"]))  # type: ignore[arg-type]
                numbers.append(float(value))  # type: ignore[arg-type]
    losses = {column: each for column, each in values.items() if "loss" in column}
    others = {column: each for column, each in values.items() if column not in losses}
    which = name.removeprefix("epochs").strip("_- ")
    title = f"{which} by epoch".strip()
    one = next(iter(others), "") if len(others) == 1 else "metrics"
    charts = (chart(f"loss {title}", losses, "epoch"), chart(f"{one} {title}", others, "epoch"))
    return tuple(each for each in charts if each.curves)


def chart(
    title: str,
    curves: Mapping[str, Points],
    x_label: str,
    marks: Iterable[tuple[float, str]] = (),
) -> Chart:
    """Return a chart of at most `MAX_CURVES` curves, each of at most `MAX_POINTS` means of points.

    Args:
        title: What is shown.
        curves: Points by label, in order of position; all finite.
        x_label: Label of the horizontal axis.
        marks: Positions and labels of vertical lines.
    """
    drawn = {
        label: _binned(np.asarray(x, np.float64), np.asarray(y, np.float64))
        for label, (x, y) in list(curves.items())[:MAX_CURVES]
        if len(x)
    }
    if not drawn:
        return Chart(title, (), (), (), x_label)
    x_ticks, x_range = _ticks(np.concatenate([x for x, _ in drawn.values()]), whole=True)
    y_ticks, y_range = _ticks(np.concatenate([y for _, y in drawn.values()]))
    return Chart(
        title=title,
        curves=tuple(
            _curve(label, _scaled(x, x_range, WIDTH), HEIGHT - _scaled(y, y_range, HEIGHT))
            for label, (x, y) in drawn.items()
        ),
        x_ticks=tuple((float(_scaled(v, x_range, WIDTH)), f"{v:g}") for v in x_ticks),
        y_ticks=tuple((HEIGHT - float(_scaled(v, y_range, HEIGHT)), f"{v:g}") for v in y_ticks),
        x_label=x_label,
        marks=tuple((float(_scaled(v, x_range, WIDTH)), name) for v, name in marks),
    )


def _binned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the means of `MAX_POINTS` or fewer bins of neighbouring points."""
    if len(x) <= MAX_POINTS:
        return x, y
    first = np.linspace(0, len(x), MAX_POINTS, endpoint=False).astype(int)
    sizes = np.diff([*first, len(x)])
    return np.add.reduceat(x, first) / sizes, np.add.reduceat(y, first) / sizes


def _ticks(
    values: NDArray[np.float64], whole: bool = False
) -> tuple[list[float], tuple[float, float]]:
    """Return the positions of ticks within the values, and the range of the axis."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(values.min()), float(values.max())
    if not high > low:
        low, high = low - abs(low) / 10 - 1e-9, high + abs(high) / 10 + 1e-9
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=whole).tick_values(low, high)
    return [float(v) for v in ticks if low <= v <= high], (low, high)


def _scaled(value: Any, limits: tuple[float, float], size: float) -> Any:
    return (value - limits[0]) / (limits[1] - limits[0]) * size


def _curve(label: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    points = [(round(float(a), 1), round(float(b), 1)) for a, b in zip(x, y, strict=True)]
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    return Curve(label, path, tuple(points) if len(points) <= MAX_DOTS else ())


def _percent(curves: Mapping[str, Points]) -> dict[str, Points]:
    return {label: (x, [100 * each for each in y]) for label, (x, y) in curves.items()}


def _is_validation_accuracy(name: str) -> bool:
    return name.startswith("val/") and name.endswith("accuracy")


def _is_number(value: object) -> bool:
    """Return whether it is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
