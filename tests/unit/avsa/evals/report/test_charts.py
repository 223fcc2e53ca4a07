"""Curves of the report."""

from __future__ import annotations

import json
import re
from itertools import product

import numpy as np
import pytest

from avsa.evals.report.charts import HEIGHT, MAX_POINTS, WIDTH, chart, epoch_charts, training_charts


def points(path):
    return np.array([pair.split() for pair in path[1:].split("L")], float)


def test_a_curve_spans_its_chart():
    drawn = chart("loss", {"a": ([0, 5, 10], [1.0, 3.0, 2.0])}, "step")
    assert points(drawn.curves[0].path) == pytest.approx(
        np.array([[0, HEIGHT], [WIDTH / 2, 0], [WIDTH, HEIGHT / 2]])
    )
    assert all(0 <= y <= HEIGHT for y, _ in drawn.y_ticks) and len(drawn.y_ticks) >= 3
    heights = {float(text): y for y, text in drawn.y_ticks}
    assert heights[1.0] == HEIGHT and heights[3.0] == 0


def test_long_curves_are_means_of_neighbours():
    steps = list(range(10_000))
    drawn = chart("loss", {"a": (steps, [float(step % 2) for step in steps])}, "step")
    found = points(drawn.curves[0].path)
    assert len(found) == MAX_POINTS and np.ptp(np.diff(found[:, 0])) < 0.2


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [0.0, 0.0]])
def test_constant_curves_are_drawn(values):
    drawn = chart("loss", {"a": (list(range(len(values))), values)}, "step")
    assert np.isfinite(points(drawn.curves[0].path)).all()


def test_a_log_gives_loss_and_validation_accuracies(tmp_path):
    lines = [
        {"step": n, "stage": "avc" if n < 5 else "avsa", "loss": 10.0 - n, "lr": 1.0}
        for n in range(1, 9)
    ]
    lines[3] |= {"val/loss": 4.0, "val/view_accuracy": 0.25}
    lines[7] |= {"val/loss": 3.0, "val/view_accuracy": 0.5}
    lines += [{"step": 10**400}, {"step": 9, "loss": 1e300}, {"step": 10, "loss": "x"}]
    text = "\n".join(map(json.dumps, lines)) + '\n{"step": 11, "loss": NaN}\n{"broken'
    (tmp_path / "log.jsonl").write_text(text)
    loss, accuracy = training_charts(tmp_path)
    assert [curve.label for curve in loss.curves] == ["training", "validation"]
    assert [len(points(curve.path)) for curve in loss.curves] == [8, 2]
    assert [name for _, name in loss.marks] == ["avc", "avsa"]
    assert [curve.label for curve in accuracy.curves] == ["view accuracy"]
    assert {text for _, text in accuracy.y_ticks} >= {"30", "40", "50"}


def test_without_a_log_there_are_no_charts(tmp_path):
    assert training_charts(tmp_path) == ()


def test_folds_have_curves_of_their_own():
    places = product((1, 2), (1, 2))
    rows = [{"fold": f, "epoch": e, "lr": 1.0, "loss": e * f, "accuracy": 0.5} for f, e in places]
    loss, other = epoch_charts("epochs", rows)
    assert [curve.label for curve in loss.curves] == ["loss, fold 1", "loss, fold 2"]
    assert len(other.curves) == 2
    assert all(re.fullmatch(r"M[\d. L]+", curve.path) for curve in loss.curves)
