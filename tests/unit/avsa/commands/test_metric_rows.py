"""The table of numbers that an evaluation prints."""

from __future__ import annotations

from itertools import product

from avsa.commands.evals.common import metric_rows
from avsa.evals.result import Metric

HEADS = ("linear", "k-nn")


def metrics_of(*names: str, chance: float = 0.25) -> dict[str, Metric]:
    return {
        name: Metric(value=number / 10, low=0.1, high=0.9, chance=chance)
        for number, name in enumerate(names)
    }


def test_parts_of_names_become_columns():
    metrics = metrics_of(*("_".join(each) for each in product(("a", "b_video"), HEADS)))
    (heading, *rows) = metric_rows(metrics, HEADS)
    assert heading == ("metric", "linear", "95 % interval", "k-nn", "95 % interval", "chance")
    interval, chance = "10.00 % to 90.00 %", "25.00 %"
    assert rows[0] == ("a", "0.00 %", interval, "10.00 %", interval, chance)
    assert len(rows) == 2 and len(set(map(len, [heading, *rows]))) == 1


def test_no_number_is_lost_where_columns_do_not_fit():
    whole = metrics_of("a_linear", "a_k-nn")
    for metrics in (
        {**whole, **metrics_of("other")},
        {**whole, **metrics_of("b_k-nn")},
        {**whole, **metrics_of("a_k-nn", chance=0.5)},
    ):
        expected = [(name, *metric.texts()) for name, metric in metrics.items()]
        assert metric_rows(metrics, HEADS)[1:] == expected == metric_rows(metrics, ())[1:]
