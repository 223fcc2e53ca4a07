"""Records that differ by seeds alone, and their means."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from avsa.config.recipe import FREE_TO_CHANGE
from avsa.evals import EVALUATIONS
from avsa.evals.config_options import default_options
from avsa.evals.report.contents import Value
from avsa.evals.report.runs import Found
from avsa.evals.result import Metric
from yt360.config import flatten

_UNSHOWN = ("kind", "seed", "root")
"""Options that do not tell series apart: of a series the seeds differ, and folders may."""


def series_of(found: Iterable[Found], coordinates: Collection[str] = ()) -> list[list[Found]]:
    """Group records of equal recipe, steps, data and options, whatever their seeds.

    Records of equal weights, data and options, such as those of a copied run, count once.

    Args:
        found: The records.
        coordinates: Options that may differ within a series, because they choose the column.
    """
    groups: dict[str, dict[str, Found]] = {}
    for each in found:
        record = each.record
        itself = [record.kind, record.settings, record.subject.weights_sha256, _data(each)]
        if not record.subject.weights_sha256:
            itself.append(record.subject.name)
        members = groups.setdefault(
            _text([*_identity(each), changed_options(each, coordinates)]), {}
        )
        members.setdefault(_text(itself), each)
    return [list(members.values()) for members in groups.values()]


def changed_options(found: Found, coordinates: Collection[str] = ()) -> dict[str, Any]:
    """Return the options of a record that differ from their defaults, by dotted name.

    All options of an evaluation that is not known here, such as that of a plugin, are returned.
    """
    kind, given = found.record.kind, flatten(found.record.settings)
    default = flatten(default_options(EVALUATIONS.load(kind))) if kind in EVALUATIONS else {}
    hidden = {*_UNSHOWN, *coordinates}
    return {
        name: value
        for name, value in given.items()
        if name not in hidden and (name not in default or value != default[name])
    }


def average(found: Sequence[Found], metric: str, beside: Mapping[str, str], *, unit: bool) -> Value:
    """Return the mean of a metric over seeds.

    Args:
        found: At least one record.
        metric: Name of the metric.
        beside: Labels of metrics that are shown below it, if the records have them.
        unit: Whether to write units.
    """
    with_metric = [each for each in found if metric in each.record.result.metrics]
    links = tuple(each.anchor for each in with_metric or found)
    metrics = [each.record.result.metrics[metric] for each in with_metric]
    if not metrics:
        return Value("no number", links, notes=(f"the record has no {metric}",))
    first = metrics[0]
    notes = []
    if len(metrics) == 1 and first.low is not None and first.high is not None:
        notes.append(
            f"{number_text(first.low, first.unit)} to {number_text(first.high, first.unit)}"
        )
    if first.chance is not None:
        notes.append(f"chance {number_text(first.chance, first.unit)}")
    for name, label in beside.items():
        others = [each.record.result.metrics.get(name) for each in with_metric]
        known = [each for each in others if each is not None]
        if known:
            notes.append(f"{label} {mean_text(known)}")
    spread = ""
    if len(metrics) > 1:
        spread = f"± {number_text(_spread([each.value for each in metrics]), first.unit)}"
    suffix = {"%": " %", "": ""}.get(first.unit, first.unit) if unit else ""
    return Value(mean_text(metrics) + suffix, links, spread, tuple(notes))


def mean_text(metrics: Sequence[Metric]) -> str:
    """Return the mean of metrics of one unit, without the unit."""
    return number_text(fmean(each.value for each in metrics), metrics[0].unit)


def number_text(value: float, unit: str) -> str:
    """Return a number in its unit, which is not written."""
    if not math.isfinite(value):
        return str(value)
    if unit == "%":
        return f"{100 * value:.2f}"
    return f"{value:.1f}" if unit == "°" else f"{value:.4g}"


def _spread(values: Sequence[float]) -> float:
    return stdev(values) if all(map(math.isfinite, values)) else math.nan


def _identity(found: Found) -> list[Any]:
    subject = found.record.subject
    recipe = {
        name: value
        for name, value in flatten(subject.recipe).items()
        if name != "seed" and not FREE_TO_CHANGE.match(name)
    }
    name = "" if recipe else subject.name
    return [name, recipe, subject.stage, subject.step, found.trained_on, _data(found)]


def _data(found: Found) -> dict[str, str]:
    return {name: value for name, value in found.record.data.items() if name != "path"}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=dict)
