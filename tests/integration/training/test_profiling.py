"""Profiles of steps of a run."""

import gzip
import json

import pytest
from helpers.errors import user_error

from avsa.config.recipe import load_config
from avsa.profiling.phases import Phase, phase
from avsa.profiling.recorder import StepProfiler, read_times
from avsa.profiling.summary import Setting
from avsa.training.loop import train
from avsa.training.metrics_log import RunLog, read_log


def traces(run):
    return sorted(path.name for path in run.glob("trace-*"))


def test_a_profile_has_every_phase_and_changes_no_result(
    undisturbed, alone, comparable, data, tmp_path, capsys
):
    config, whole = undisturbed
    run = tmp_path / "run"
    train(config, data, run, alone, log_keys=True, profile_steps=3)
    assert comparable(run) == comparable(whole)
    assert traces(run) == ["trace-step-00000006.json.gz"]
    path = run / traces(run)[0]
    parts = read_times(path).parts
    assert set(Phase) <= set(parts) and max(parts, key=parts.get) != "other"
    with gzip.open(path) as file:
        names = [event["name"] for event in json.load(file)["traceEvents"]]
    assert names.count("avsa: backward") == 3
    printed = capsys.readouterr().err
    assert "3 steps of" in printed and str(path) in printed


@pytest.mark.parametrize(("steps", "first"), [(2, 2), (20, 1)])
def test_a_short_run_is_profiled_as_far_as_it_goes(
    undisturbed, alone, data, tmp_path, steps, first
):
    config, _ = undisturbed
    train(config, data, tmp_path / "run", alone, steps=3, profile_steps=steps)
    assert traces(tmp_path / "run") == [f"trace-step-{first:08d}.json.gz"]
    assert len(read_log(tmp_path / "run")) == 3


@pytest.mark.parametrize(
    ("steps", "profiled", "first"), [(4, 1, 3), (4, 2, 2), (4, 3, 2), (7, 1, 6), (9, 2, 6)]
)
def test_the_last_step_is_left_out_where_there_are_others(alone, tmp_path, steps, profiled, first):
    setting = Setting(load_config("small", []), alone, 1, 1)
    log = RunLog(tmp_path, 0, steps)
    with log, StepProfiler(tmp_path, profiled, 0, steps, setting, log) as profiler:
        for _ in range(steps):
            with phase(Phase.BACKWARD):
                pass
            profiler.step()
    assert traces(tmp_path) == [f"trace-step-{first:08d}.json.gz"]


def test_a_resumed_run_is_profiled_after_its_first_steps(undisturbed, alone, data, tmp_path):
    config, _ = undisturbed
    run = tmp_path / "run"
    train(config, data, run, alone, steps=2)
    train(config, data, run, alone, resume=True, profile_steps=2)
    assert traces(run) == ["trace-step-00000008.json.gz"]


def test_a_dry_run_has_no_profile(invoke):
    with user_error("conflict", "--dry-run"):
        invoke("--dry-run", "--profile", 3)
