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
from avsa.evals.result import Metric, number_text, unit_text
from yt360.config import flatten


def series_of(
    found: Iterable[Found], coordinates: Collection[str] = (), *, one_data: bool = True
) -> list[list[Found]]:
    """Group records of equal recipe, steps, data and options, whatever their seeds.

    Records of equal weights, data and options, such as those of a copied run, count once.

    Args:
        found: The records.
        coordinates: Options that may differ within a series, because they choose the column.
        one_data: Whether all columns are of the same data; otherwise those of one column are.
    """
    groups: dict[str, dict[str, Found]] = {}
    for each in found:
        identity = [*_identity(each), changed_options(each, coordinates)]
        members = groups.setdefault(_text(identity), {})
        subject = each.record.subject
        weights = [subject.weights_sha256 or subject.name, subject.statistics_sha256]
        itself = [each.record.settings, weights, each.data]
        members.setdefault(_text([each.record.kind, *itself]), each)
    series: list[list[Found]] = []
    for group in groups.values():
        by_data: dict[str, list[Found]] = {}
        for each in group.values():
            by_data.setdefault(_text(each.data), []).append(each)
        columns = [_columns_in(members, coordinates) for members in by_data.values()]
        if one_data or sum(map(len, columns)) > len(set().union(*columns)):
            series += by_data.values()
        else:
            series.append(list(group.values()))
    return series


def _columns_in(found: Iterable[Found], coordinates: Collection[str]) -> set[str]:
    """Return the columns of records: their evaluations and coordinates."""
    return {
        _text([each.record.kind, [each.record.settings.get(name) for name in sorted(coordinates)]])
        for each in found
    }


def changed_options(found: Found, coordinates: Collection[str] = ()) -> dict[str, Any]:
    """Return the options of a record that differ from their defaults, by dotted name.

    All options of an evaluation that is not known here, such as that of a plugin, are returned.
    """
    kind, given = found.record.kind, flatten(found.record.settings)
    hidden = {"kind", "seed", *coordinates}
    default: dict[str, Any] = {}
    if kind in EVALUATIONS:
        config = EVALUATIONS.load(kind)
        default = flatten(default_options(config))
        hidden |= config.addresses
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
    notes = _interval(metrics)
    if first.chance is not None:
        notes.append(f"chance {number_text(first.chance, first.unit)}")
    for name, label in beside.items():
        others = [each.record.result.metrics.get(name) for each in with_metric]
        known = [each for each in others if each is not None]
        if known:
            notes.append(f"{label} {mean_text(known)}")
            if first.low is None:
                notes += _interval(known)
    spread = ""
    if len(metrics) > 1:
        spread = f"± {number_text(_spread([each.value for each in metrics]), first.unit)}"
    suffix = unit_text(first.unit) if unit else ""
    return Value(mean_text(metrics) + suffix, links, spread, tuple(notes))


def _interval(metrics: Sequence[Metric]) -> list[str]:
    """Return the interval of a single metric."""
    first = metrics[0]
    if len(metrics) > 1 or first.low is None or first.high is None:
        return []
    return [f"{number_text(first.low, first.unit)} to {number_text(first.high, first.unit)}"]


def mean_text(metrics: Sequence[Metric]) -> str:
    """Return the mean of metrics of one unit, without the unit."""
    return number_text(fmean(each.value for each in metrics), metrics[0].unit)


def _spread(values: Sequence[float]) -> float:
    return stdev(values) if all(map(math.isfinite, values)) else math.nan


def _identity(found: Found) -> list[Any]:
    """Return what records of a series have in common.

    An empty list in a recipe is as good as none: earlier versions lack the keys of later ones.
    """
    subject = found.record.subject
    recipe = {
        name: value
        for name, value in flatten(subject.recipe).items()
        if name != "seed" and value != [] and not FREE_TO_CHANGE.match(name)
    }
    name = "" if recipe else subject.name
    return [name, recipe, subject.stage, subject.step, found.trained_on]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=dict)
