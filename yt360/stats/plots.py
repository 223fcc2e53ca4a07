"""Plots of counts: a PNG for each histogram and category, or one of all histograms."""

from __future__ import annotations

import re
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from yt360.files import atomic_write
from yt360.stats.counts import DatasetCounts, Histogram
from yt360.terminal.text import plot_text

MAX_CATEGORIES = 20
_COLOUR = "#2f6f8f"


def plot_counts(stats: DatasetCounts, folder: Path) -> list[Path]:
    """Save the plots in a folder, which is created if needed, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for histogram in stats.histograms:
        figure, axes = _figure()
        _draw_histogram(axes, histogram)
        paths.append(_save(figure, folder, histogram.name))
    for name, counts in stats.categories.items():
        figure, axes = _figure()
        labels, numbers = zip(*reversed(counts.most_common(MAX_CATEGORIES)), strict=True)
        axes.barh([*map(plot_text, labels)], numbers, color=_COLOUR)
        axes.bar_label(axes.containers[0], padding=3)  # type: ignore[arg-type]
        axes.margins(x=0.12)
        axes.set_xlabel(f"videos by {name}")
        paths.append(_save(figure, folder, name))
    return paths


def plot_sheet(stats: DatasetCounts, path: Path) -> None:
    """Save the histograms in one PNG, two in a row; without any, an empty one."""
    count = max(1, len(stats.histograms))
    figure = Figure(figsize=(9.6, 2.7 * -(-count // 2)), layout="constrained")
    for number, histogram in enumerate(stats.histograms, 1):
        axes = figure.add_subplot(-(-count // 2), 2, number)
        axes.spines[["top", "right"]].set_visible(False)
        _draw_histogram(axes, histogram)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=100)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw_histogram(axes: Axes, histogram: Histogram) -> None:
    axes.stairs(histogram.counts, histogram.edges, fill=True, color=_COLOUR)
    axes.set_ylim(bottom=0)
    if histogram.is_log:
        axes.set_xscale("log")
    axes.set_xlabel(histogram.name)
    axes.set_ylabel("number")


def _save(figure: Figure, folder: Path, name: str) -> Path:
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path
