"""What the benchmark keeps and compares."""

import json

import pytest
from benchmarks.case import Case, Ratio
from benchmarks.command import print_changes
from benchmarks.meters import result
from benchmarks.results import CaseResult, RatioResult, Results, changes, measure


def results(value: float, is_reward: bool = False, commit: str = "") -> Results:
    ratios = {"a / b": RatioResult(value, is_reward, 1.0)}
    machine = {"processor": "p", "cores": 1, "load": 0.0, "python": "3", "versions": {}}
    cases = {"job": CaseResult("area", "ms", {"a": value, "b": 1.0}, ratios)}
    return Results(commit, False, "2026-01-01", machine, cases, {"other": "no such thing here"})


def test_costs_and_ratios_are_medians_over_turns():
    costs = {"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0, 4.0]}
    case = Case(
        "job",
        {name: lambda number, of=values: of[number] for name, values in costs.items()},
        [Ratio("a", "b", at_most=2), Ratio("b", "a", at_least=0.1)],
        unit="things",
        meter=result,
        warm_up=0,
    )
    measured = measure("area", case, runs=3, inputs=1)
    assert measured.costs == {"a": 4.0, "b": 3.0}
    assert measured.ratios["a / b"] == RatioResult(2.0, False, 2)
    assert measured.ratios["b / a"] == RatioResult(0.5, True, 0.1)


def test_ways_take_turns_and_inputs_are_prepared():
    log = []
    case = Case(
        "job",
        {name: lambda number, of=name: log.append((of, number)) or 1.0 for name in "ab"},
        meter=result,
        prepare=lambda number: log.append(("prepare", number)),
        runs=2,
        warm_up=0,
    )
    measure("area", case, runs=9, inputs=1)
    assert log == [
        (name, number) for number in range(2) for name in ("prepare", "a", "b")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "now", "is_reward", "worse"),
    [
        (1.0, 1.21, False, True),
        (1.0, 1.19, False, False),
        (1.0, 0.5, False, False),
        (1.21, 1.0, True, True),
        (1.19, 1.0, True, False),
        (1.0, 2.0, True, False),
    ],
)
def test_a_ratio_that_is_worse_by_more_than_a_fifth_is_a_regression(
    kept, now, is_reward, worse, capsys
):
    (change,) = changes(results(now, is_reward), results(kept, is_reward))
    assert change.is_regression == worse
    assert print_changes(results(now, is_reward), results(kept, is_reward)) == worse
    assert ("WORSE" in capsys.readouterr().out) == worse


def test_only_what_both_have_is_compared():
    now, kept = results(1.0), results(1.0)
    kept.cases["old"] = kept.cases["job"]
    now.cases["new"] = now.cases.pop("job")
    assert not list(changes(now, kept))


def test_results_are_kept_as_json_with_commit_and_machine(tmp_path):
    kept = results(2.5, commit="c0ffee")
    kept.save(tmp_path / "kept.json")
    assert Results.load(tmp_path / "kept.json") == kept
    stored = json.loads((tmp_path / "kept.json").read_text())
    assert stored["commit"] == "c0ffee" and not stored["dirty"]
    assert stored["cases"]["job"]["ratios"]["a / b"]["value"] == 2.5


def test_results_name_machine_and_versions():
    begun = Results.begin()
    assert {"processor", "cores", "load", "python", "versions"} <= begun.machine.keys()
    assert {"torch", "av"} <= begun.machine["versions"].keys()
