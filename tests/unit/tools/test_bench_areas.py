"""Every case of the benchmark runs, and so does the command."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from benchmarks.areas import area_names, cases_of
from benchmarks.case import Case, Skipped
from benchmarks.material import Material
from benchmarks.results import measure
from helpers.paths import REPOSITORY

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


@pytest.mark.slow
def test_the_command_keeps_results_and_fails_on_a_regression(material, tmp_path):
    def bench(*options):
        command = [sys.executable, str(REPOSITORY / "tools" / "bench.py"), "reading", "--tiny"]
        command += ["--material", str(material.folder), *map(str, options)]
        return subprocess.run(command, capture_output=True, text=True)

    kept = tmp_path / "kept.json"
    done = bench("--json", kept)
    assert done.returncode == 0, done.stderr
    results = json.loads(kept.read_text())
    (case,) = results["cases"].values()
    assert case["area"] == "reading"
    for ratio in case["ratios"].values():
        ratio["value"] = 1e9 if ratio["is_reward"] else 1e-9
    kept.write_text(json.dumps(results))
    done = bench("--compare", kept)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("WORSE") == len(case["ratios"])
