"""Carrying out evaluations: records, features on disk, training that goes on after a kill."""

from __future__ import annotations

import json
import math
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.scene_runs import invoke
from pydantic import Field
from torch import nn

from avsa.cli import cli
from avsa.evals import EVALUATIONS
from avsa.evals import feature_cache as cache
from avsa.evals.base import Context, EvaluationConfig
from avsa.evals.config_options import configure
from avsa.evals.feature_cache import FeatureSpec, view_features
from avsa.evals.features import fixed_views
from avsa.evals.fit import Fit, ScheduleConfig
from avsa.evals.result import (
    Metric,
    Record,
    Result,
    Subject,
    read_record,
    records_of,
    write_record,
)
from avsa.evals.run import command_line, evaluate, record_name
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from yt360.config import config_class
from yt360.errors import UserError

ALONE = World(0, 1, torch.device("cpu"))


@EVALUATIONS.register
@config_class
class CountingConfig(EvaluationConfig):
    """Counts clips."""

    kind: Literal["counting"] = "counting"
    factor: Annotated[int, Field(ge=1)] = 1
    """Multiplies the count."""
    schedule: ScheduleConfig = ScheduleConfig(epochs=3, lr=0.5)
    """Not used."""

    def evaluate(self, context: Context) -> Result:
        with context.clips("test") as clips:
            return Result(metrics={"clips": Metric(value=self.factor * len(clips), unit="")})


def test_an_evaluation_is_recorded_once_for_each_set_of_options(own_run):
    words = ("eval", "counting", own_run.run, "--data", own_run.dataset)
    first = invoke(cli, *words)
    assert first == invoke(cli, *words)
    invoke(cli, *words, "--set", "factor=2")
    invoke(cli, *words, "--seed", 3)
    found = {(record.settings["factor"], record.settings["seed"]): record.result.metrics["clips"]
             for _, record in records_of(own_run.run)}  # fmt: skip
    clips = found[1, 0].value
    assert found == {
        (1, 0): Metric(value=clips, unit=""),
        (2, 0): Metric(value=2 * clips, unit=""),
        (1, 3): Metric(value=clips, unit=""),
    }
    assert not list((own_run.run / "eval" / ".work").iterdir())


def test_the_recorded_command_repeats_the_evaluation(own_run):
    config = configure("counting", {"seed": 2}, {"factor": "3", "schedule.lr": "0.25"})
    record, path = evaluate(config, open_subject(str(own_run.run), "cpu"), own_run.dataset,
                            own_run.run, ALONE)  # fmt: skip
    assert record.settings["schedule"]["epochs"] == 3
    path.unlink()
    invoke(cli, *record.command.split()[1:])
    assert path.exists()


def test_the_recorded_command_works_in_any_folder(own_run, monkeypatch):
    monkeypatch.chdir(own_run.run.parent)
    (own_run.run.parent / "truth.csv").write_text("key,azimuth_deg,elevation_deg\n")
    config = configure("localization", {"directions": "truth.csv"}, {})
    words = shlex.split(command_line(config, "run", str(own_run.dataset), Path("out")))
    paths = {Path(word.rpartition("=")[2]) for word in words if "/" in word}
    here = Path.cwd()
    assert paths == {here / "run", own_run.dataset, here / "out", here / "truth.csv"}


def test_models_with_other_audio_statistics_have_other_records(own_run):
    config, subject = configure("counting", {}, {}), open_subject(str(own_run.run), "cpu")
    _, path = evaluate(config, subject, own_run.dataset, own_run.run, ALONE)
    subject.model.audio_statistics = None  # those of the dataset are used
    _, other = evaluate(config, subject, own_run.dataset, own_run.run, ALONE)
    assert path != other


@pytest.mark.parametrize("deterministic", [False, True])
def test_kernels_are_deterministic_if_the_recipe_says_so(own_run, monkeypatch, deterministic):
    subject, found = open_subject(str(own_run.run), "cpu"), []
    compute = replace(subject.config.compute, deterministic=deterministic)
    monkeypatch.setattr(subject.model, "config", replace(subject.config, compute=compute))

    def look(*_):
        found.append(torch.are_deterministic_algorithms_enabled())
        return Result(metrics={})

    monkeypatch.setattr(CountingConfig, "evaluate", look)
    evaluate(CountingConfig(), subject, own_run.dataset, own_run.run, ALONE)
    assert found == [deterministic]


def test_the_name_of_a_record_depends_on_all_but_places():
    config, data = CountingConfig(), {"path": "/a", "test": "1"}
    subject = Subject(name="/run", weights_sha256="w", statistics_sha256="s")
    first = record_name(config, subject, data)
    assert record_name(config, replace(subject, name="/copy"), {**data, "path": "/b"}) == first
    others = [
        record_name(config, replace(subject, weights_sha256="x"), data),
        record_name(config, replace(subject, statistics_sha256="x"), data),
        record_name(config, replace(subject, weights_sha256=""), data),  # such as scratch
        record_name(config, subject, {**data, "test": "2"}),
        record_name(replace(config, schedule=ScheduleConfig(lr=0.25)), subject, data),
    ]
    assert len({first, *others}) == 6


def test_paths_that_a_record_cannot_hold_are_refused_before_the_work(own_run, tmp_path):
    out = tmp_path / os.fsdecode(b"bad\xff")
    config, subject = configure("counting", {}, {}), open_subject(str(own_run.run), "cpu")
    with user_error("invalid"):
        evaluate(config, subject, own_run.dataset, out, ALONE)
    assert not out.exists()


def test_words_for_models_without_a_run_are_no_folders(own_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kinetics" / "eval").mkdir(parents=True)  # results of the model with this name
    assert open_subject("kinetics", "cpu").model is None
    own_run.run.rename("scratch")
    with user_error("conflict", "RUN"):
        open_subject("scratch", "cpu")
    assert open_subject("./scratch", "cpu").model is not None


@pytest.mark.parametrize("command", ["counting", "segmentation", "all"])
def test_models_and_datasets_that_do_not_exist_are_named(own_run, tmp_path, command):
    for words, key in (
        ([tmp_path / "none", "--data", own_run.dataset], tmp_path / "none"),
        ([own_run.dataset, "--data", own_run.dataset], own_run.dataset),
        ([own_run.run, "--data", tmp_path / "none"], tmp_path / "none"),
    ):
        done = CliRunner().invoke(cli, ["eval", command, *map(str, words)])
        assert isinstance(done.exception, UserError)
        assert str(key) in str(done.exception) and done.exception.key != "--out"


def test_a_record_keeps_the_order_of_metrics_columns_and_stages(tmp_path):
    result = Result(metrics={"z": Metric(value=1.0), "a": Metric(value=2.0)},
                    tables={"epochs": ({"lr": 1.0, "epoch": 1},)})  # fmt: skip
    subject = Subject(name="x", recipe={"stages": {"b": 1, "a": 2}})
    record = Record(kind="counting", settings={}, subject=subject, data={}, command="", version="",
                    made_at="", device="", result=result)  # fmt: skip
    write_record(record, tmp_path / "eval" / "x.json")
    ((_, read),) = records_of(tmp_path)
    assert read == record
    assert list(read.result.metrics) == ["z", "a"]
    assert list(read.result.tables["epochs"][0]) == ["lr", "epoch"]
    assert list(read.subject.recipe["stages"]) == ["b", "a"]


def test_records_hold_scalars_of_numpy_and_torch(tmp_path):
    result = Result(metrics={"a": Metric(value=np.float32(0.5))},
                    tables={"t": ({"n": np.int64(3), "x": torch.tensor(0.25)},)})  # fmt: skip
    record = Record(kind="counting", settings={}, subject=Subject(name="x"), data={}, command="",
                    version="", made_at="", device="", result=result)  # fmt: skip
    write_record(record, tmp_path / "eval" / "x.json")
    ((_, read),) = records_of(tmp_path)
    assert read.result.metrics["a"].value == 0.5
    assert read.result.tables["t"] == ({"n": 3, "x": 0.25},)


def test_a_record_outside_of_the_run_is_refused(own_run, tmp_path):
    (tmp_path / "foreign.json").write_text("{}")
    (own_run.run / "eval").mkdir()
    (own_run.run / "eval" / "x.json").symlink_to(tmp_path / "foreign.json")
    with user_error("invalid", own_run.run / "eval" / "x.json"):
        list(records_of(own_run.run))


def test_a_damaged_record_is_refused(own_run):
    path = own_run.run / "eval" / "counting.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": "avsa-evaluation"}))
    with user_error("invalid", path):
        list(records_of(own_run.run))


def made(metric, cell):
    result = Result(metrics={"m": Metric(value=metric)}, tables={"t": ({"cell": cell},)})
    return Record(kind="k", settings={}, subject=Subject(name="s"), data={}, command="c",
                  version="1", made_at="now", device="cpu", result=result)  # fmt: skip


def test_what_is_not_a_number_is_null_in_tables_and_no_metric(tmp_path):
    write_record(made(0.5, math.nan), tmp_path / "a.json")
    assert read_record(tmp_path / "a.json").result.tables == {"t": ({"cell": None},)}
    with user_error("empty", "m"):
        write_record(made(math.nan, 1.0), tmp_path / "b.json")


@pytest.mark.parametrize(
    ("given", "settings", "code", "key"),
    [
        ({}, {"facto": "1"}, "unknown-name", "facto"),
        ({}, {"factor": "0"}, "out-of-range", "factor"),
        ({"seed": 1}, {"seed": "2"}, "conflict", "seed"),
    ],
)
def test_wrong_options_are_refused(given, settings, code, key):
    with user_error(code, key):
        configure("counting", given, settings)


@pytest.fixture
def context(own_run, tmp_path):
    def make(world=ALONE):
        subject = open_subject(str(own_run.run), "cpu")
        return Context(subject, own_run.dataset, world, tmp_path / "work", tmp_path / "features",
                       tmp_path, "x")  # fmt: skip

    return make


@pytest.fixture
def spec(context):
    config = context().subject.config
    views = replace(config.views, sampler="uniform", augment=False)
    return FeatureSpec(split="train", views=views, data=config.data, draws=3)


def test_features_do_not_depend_on_parts_or_kills(context, spec, monkeypatch):
    whole = view_features(context(), spec)
    monkeypatch.setattr(cache, "PART_BATCHES", 1)
    again = replace(context(), features=context().features / "again")
    view_features(again, spec)
    (folder,) = again.features.iterdir()
    next(iter(sorted(folder.glob("part*")))).unlink()
    parts = view_features(again, spec)
    assert parts.keys == whole.keys and len(set(whole.keys)) * 3 == len(whole)
    for name in ("video", "audio", "directions", "audio_start_s"):
        assert torch.equal(getattr(parts, name), getattr(whole, name))


def test_other_views_or_seeds_have_other_features(context, spec):
    first = view_features(context(), spec)
    assert not torch.equal(first.directions[:2], first.directions[2:4])
    for other in (replace(spec, seed=1), replace(spec, views=fixed_views(spec.views, 4, 80.0))):
        assert not torch.equal(view_features(context(), other).directions, first.directions)
    assert len(list(context().features.iterdir())) == 3


class Stop(Exception):
    pass


def test_training_goes_on_after_a_kill_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("avsa.evals.fit.SAVE_EVERY_STEPS", 2)
    schedule = ScheduleConfig(epochs=3, lr=0.1, milestones=(1,))

    def fit(work, stop_at=None):
        network = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1)).train()
        nn.init.ones_(network[1].weight)
        nn.init.zeros_(network[1].bias)

        def batches(first):
            for step in range(first, 100):
                if step == stop_at:
                    raise Stop
                yield torch.full((2, 4), 1.0 + step)

        fitting = Fit("line", network, schedule, 3, 0, ALONE, work)
        epochs = fitting.run(batches, lambda x: (network(x).square().mean(), {"x": x.mean()}))
        return epochs, network.state_dict()

    whole = fit(tmp_path / "whole")
    with pytest.raises(Stop):
        fit(tmp_path / "killed", stop_at=5)
    resumed = fit(tmp_path / "killed")
    assert resumed[0] == whole[0] == fit(tmp_path / "killed")[0]
    assert [row["lr"] for row in whole[0]] == pytest.approx([0.1, 0.01, 0.01])
    assert all(torch.equal(resumed[1][name], each) for name, each in whole[1].items())


def test_numbers_are_written_with_their_unit():
    fraction = Metric(value=0.5, low=0.25, high=0.755, chance=0.1)
    assert fraction.texts() == ("50.00 %", "25.00 % to 75.50 %", "10.00 %")
    assert Metric(value=20.0, unit="°").texts() == ("20.0°", "", "")


def test_help_config_prints_the_options_of_the_evaluation():
    done = CliRunner().invoke(cli, ["eval", "avc-bin", "--help-config"])
    assert done.exit_code == 0
    for name, default in {"schedule.lr": "1e-05", "seed": "0", "protocol": "paper"}.items():
        (line,) = (each for each in done.stdout.splitlines() if each.startswith(f"  {name} "))
        assert line.endswith(f"default {default}")
