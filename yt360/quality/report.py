"""Plot an inspection: energy by direction, audio level, and motion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from yt360.files import atomic_write
from yt360.quality.checks.silence import SilenceConfig
from yt360.quality.checks.still_image import StillImageConfig
from yt360.quality.decision import decide
from yt360.quality.inspect import Inspection
from yt360.quality.verdict import Outcome
from yt360.terminal.text import plot_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {Outcome.OK: "#2e7d4f", Outcome.NOT_OK: "#b3372f", Outcome.UNSURE: "#b8860b"}
_INK, _FAINT, _BLUE = "#22303c", "#8a97a3", "#2f6690"
_AZIMUTHS, _COLUMNS = 144, 600
_RANGE_DB = 15.0
_LONGEST_LINE = 100


def write_report(inspection: Inspection, path: Path) -> None:
    """Plot an inspection as a PNG: decision, energy map, level of W, motion, and verdicts.

    Args:
        inspection: From `yt360.quality.inspect`.
        path: Path of the PNG; its folder must exist.
    """
    rows = len(inspection.verdicts)
    height = 6.6 + 0.36 * rows
    figure = Figure(figsize=(11, height), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    grid = GridSpec(
        4, 2, figure, height_ratios=[2.6, 1.1, 1.1, 0.32 * rows + 0.2], width_ratios=[1, 0.016],
        left=0.085, right=0.93, top=1 - 1.05 / height, bottom=0.03, hspace=0.42, wspace=0.03,
    )  # fmt: skip
    axes = [figure.add_subplot(grid[row, 0]) for row in range(4)]
    top = 1 - 0.3 / height
    figure.text(
        0.085,
        top,
        plot_text(inspection.name),
        fontsize=14,
        color=_INK,
        weight="bold",
        va="center",
    )
    layout = f"audio stored as {inspection.layout}" if inspection.layout else "no audio"
    figure.text(0.93, top, layout, fontsize=10, color=_FAINT, ha="right", va="center")
    decision = decide(inspection)
    figure.text(
        0.09, 1 - 0.62 / height, _shortened(decision.describe()), fontsize=10, color="white",
        weight="bold", va="center", bbox=_badge(_COLORS[decision.outcome]),
    )  # fmt: skip
    _draw_map(figure, axes[0], figure.add_subplot(grid[0, 1]), inspection)
    _draw_levels(axes[1], inspection)
    _draw_motion(axes[2], inspection)
    _draw_verdicts(axes[3], inspection)
    end_s = _end_s(inspection)
    for axis in axes[:3]:
        axis.set_xlim(0, end_s)
        axis.tick_params(colors=_FAINT, labelcolor=_INK, labelsize=9)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axis.spines[side].set_color(_FAINT)
    axes[2].set_xlabel("time in seconds", color=_INK, fontsize=9)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _end_s(inspection: Inspection) -> float:
    ends = [float(inspection.motion[-1, 0]) + 0.4] if len(inspection.motion) else []
    for part in inspection.parts:
        if part.levels is not None:
            ends.append(part.start_s + part.covered_s[1])
    return max([*ends, 1.0])


def _draw_map(figure: Figure, axis: Axes, bar: Axes, inspection: Inspection) -> None:
    times, power = inspection.directions.energy_map(_AZIMUTHS, _COLUMNS)
    axis.set_title(
        "where sound comes from (150 Hz to 8 kHz, octaves weighted alike)",
        loc="left",
        fontsize=10,
        color=_INK,
    )
    axis.set_ylabel("azimuth", color=_INK, fontsize=9)
    axis.set_yticks([180, 90, 0, -90, -180], ["behind", "left", "front", "right", "behind"])
    axis.set_ylim(-180, 180)
    if not len(times):
        bar.set_axis_off()
        _draw_note(axis, "no sound field", 0.0)
        return
    level_db = 10 * np.log10(power + 1e-12)
    loudest = float(np.nanquantile(level_db.max(axis=0), 0.98))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.25
    image = axis.imshow(
        level_db - loudest,
        extent=(float(times[0]), float(times[-1]) + step, -180, 180),
        aspect="auto",
        cmap="magma",
        vmin=-_RANGE_DB,
        vmax=0,
        interpolation="bilinear",
    )
    for azimuth in (90, 0, -90):
        axis.axhline(azimuth, color="white", alpha=0.25, linewidth=0.7)
    colors = figure.colorbar(image, cax=bar, ticks=[0, -5, -10, -15])
    colors.ax.tick_params(labelsize=8, colors=_FAINT, labelcolor=_INK)
    colors.ax.set_title("dB", fontsize=8, color=_INK)
    colors.outline.set_visible(False)


def _draw_levels(axis: Axes, inspection: Inspection) -> None:
    axis.set_title("level of W in each second", loc="left", fontsize=10, color=_INK)
    axis.set_ylabel("dBFS", color=_INK, fontsize=9)
    axis.set_ylim(-80, 0)
    drawn = False
    for part in inspection.parts:
        if part.levels is None or not len(part.levels.levels_dbfs):
            continue
        levels = np.maximum(part.levels.levels_dbfs, -80)
        edges = part.start_s + np.arange(len(levels) + 1)
        axis.stairs(levels, edges, baseline=-80, fill=True, color=_BLUE, alpha=0.75)
        drawn = True
    if not drawn:
        _draw_note(axis, "no audio", -40.0)
        return
    t = inspection.checks.get("silence")
    if not isinstance(t, SilenceConfig):
        return
    axis.axhspan(t.close_dbfs, t.open_dbfs, color=_COLORS[Outcome.UNSURE], alpha=0.25, linewidth=0)
    axis.text(
        1.005, t.close_dbfs, "silent\nbelow", transform=axis.get_yaxis_transform(), fontsize=8,
        color=_COLORS[Outcome.UNSURE], va="center",
    )  # fmt: skip


def _draw_motion(axis: Axes, inspection: Inspection) -> None:
    axis.set_title("part of the image that changes in 0.4 s", loc="left", fontsize=10, color=_INK)
    axis.set_yscale("symlog", linthresh=0.002, linscale=0.4)
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 0.01, 0.1, 1], ["0", "1 %", "10 %", "all"])
    axis.minorticks_off()
    if not len(inspection.motion):
        _draw_note(axis, "no video", 0.02)
        return
    times, changed = inspection.motion.T
    axis.vlines(times, 0, changed, color=_BLUE, alpha=0.5, linewidth=1.5)
    axis.plot(times, changed, "o", color=_BLUE, markersize=3.5)
    t = inspection.checks.get("still-image")
    if not isinstance(t, StillImageConfig):
        return
    axis.axhline(t.moving_area, color=_COLORS[Outcome.UNSURE], alpha=0.6, linewidth=1)
    axis.text(
        1.005, t.moving_area, "still\nbelow", transform=axis.get_yaxis_transform(),
        fontsize=8, color=_COLORS[Outcome.UNSURE], va="center",
    )  # fmt: skip


def _draw_verdicts(axis: Axes, inspection: Inspection) -> None:
    axis.set_axis_off()
    axis.set_xlim(0, 1)
    axis.set_ylim(len(inspection.verdicts), 0)
    for row, verdict in enumerate(inspection.verdicts.values()):
        color = _COLORS[verdict.outcome]
        y = row + 0.5
        axis.text(
            0.03, y, verdict.outcome.value, fontsize=9, color="white", weight="bold",
            ha="center", va="center", bbox=_badge(color),
        )  # fmt: skip
        axis.text(0.075, y, verdict.name, fontsize=10, color=_INK, va="center", weight="bold")
        axis.text(0.225, y, verdict.reason, fontsize=9, color=color, va="center")
        axis.text(0.36, y, _shortened(verdict.detail), fontsize=8.5, color=_INK, va="center")


def _badge(color: str) -> dict[str, str]:
    return {"boxstyle": "round,pad=0.35", "facecolor": color, "edgecolor": "none"}


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_LINE:
        return plot_text(text)
    return plot_text(text[: _LONGEST_LINE - 1].rsplit(" ", 1)[0] + " …")


def _draw_note(axis: Axes, what: str, height: float) -> None:
    axis.text(
        0.5, height, what, transform=axis.get_yaxis_transform(), color=_FAINT, ha="center",
        va="center", fontsize=11,
    )  # fmt: skip
