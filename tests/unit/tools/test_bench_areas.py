"""Every case of the benchmark runs."""

from dataclasses import replace

import pytest
from benchmarks.areas import area_names, cases_of
from benchmarks.case import Case, Skipped
from benchmarks.material import Material
from benchmarks.results import measure

SLOW = {"build", "embed", "index", "labels", "peers", "step"}
"""Areas that start commands, or run whole networks."""


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("bench"), tiny=True)


@pytest.mark.parametrize(
    "area",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in area_names()],
)
def test_every_case_runs(area, material):
    names = []
    for case in cases_of(area, material):
        names.append(case.name)
        if isinstance(case, Skipped):
            assert case.reason
            continue
        assert isinstance(case, Case)
        assert {name for ratio in case.ratios for name in (ratio.of, ratio.over)} <= set(case.ways)
        assert {limit.of for limit in case.limits} <= set(case.ways)
        measured = measure(area, replace(case, warm_up=0), runs=1, inputs=1)
        assert all(cost >= 0 for cost in measured.costs.values())
    assert names and len(set(names)) == len(names)
