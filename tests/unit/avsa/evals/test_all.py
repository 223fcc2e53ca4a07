"""`avsa eval all`: what is carried out, what is skipped, and what follows a failure."""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Literal

import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.scene_runs import invoke
from pydantic import Field

from avsa.cli import cli
from avsa.evals.all import Failure, Planned, evaluate_all, leave_out, plan
from avsa.evals.base import Context, EvaluationConfig, Offer, Variant
from avsa.evals.result import Metric, Result, records_of
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from yt360.config import config_class
from yt360.errors import UserError
from yt360.registry import Registry

ALONE = World(0, 1, torch.device("cpu"))
SHORT = (
    "avc-bin.schedule.epochs=1", "avsa-bin.schedule.epochs=1", "avsa-bin.test_draws=1",
    "segmentation.schedule.epochs=1", "segmentation.batch_size=2", "segmentation.views=1",
    "localization.clips=1",
)  # fmt: skip
REGISTRY: Registry[EvaluationConfig] = Registry("evaluation", "test.evaluations")


@REGISTRY.register
@config_class
class GoodConfig(EvaluationConfig):
    """Succeeds, and counts its calls."""

    kind: Literal["good"] = "good"
    factor: Annotated[int, Field(ge=1)] = 1

    @classmethod
    def variants(cls, offer: Offer):
        yield Variant()
        yield Variant({"factor": 2})
        yield Variant({"factor": 3}, "" if offer.scenes else "scenes (--scenes)")

    def evaluate(self, context: Context) -> Result:
        count = context.pictures / "calls.txt"
        count.write_text((count.read_text() if count.exists() else "") + "x")
        return Result(metrics={"factor": Metric(value=self.factor, unit="")})


@REGISTRY.register
@config_class
class RefusingConfig(EvaluationConfig):
    """Refuses the data."""

    kind: Literal["refusing"] = "refusing"

    def evaluate(self, _: Context) -> Result:
        raise UserError("no", "empty", "data")


@REGISTRY.register
@config_class
class BuggyConfig(EvaluationConfig):
    """Has a bug."""

    kind: Literal["buggy"] = "buggy"

    def evaluate(self, _: Context) -> Result:
        raise ZeroDivisionError


@REGISTRY.register
@config_class
class LastConfig(EvaluationConfig):
    """Comes after those that fail."""

    kind: Literal["last"] = "last"

    def evaluate(self, _: Context) -> Result:
        return Result(metrics={"seed": Metric(value=self.seed, unit="")})


@pytest.fixture
def offer(own_run):
    return Offer(subject=open_subject(str(own_run.run), "cpu"), dataset=own_run.dataset)


def carry_out(offer, run, seed=0):
    planned = plan(offer, seed, registry=REGISTRY)
    return list(evaluate_all(planned, offer, run, ALONE, lambda: offer.subject))


def test_a_failure_does_not_stop_the_others(offer, own_run):
    outcomes = carry_out(offer, own_run.run, seed=4)
    failures = [each for each in outcomes if isinstance(each, Failure)]
    assert [(each.title, each.is_bug) for each in failures] == [
        ("refusing", False),
        ("buggy", True),
    ]
    seeds = {record.kind: record.settings["seed"] for _, record in records_of(own_run.run)}
    assert seeds == {"good": 4, "last": 4}
    assert len(outcomes) == 5


def test_a_second_call_repeats_nothing(offer, own_run):
    carry_out(offer, own_run.run)
    carry_out(offer, own_run.run)
    assert (own_run.run / "eval" / "pictures" / "calls.txt").read_text() == "xx"


def test_what_is_lacking_is_said(offer, own_run):
    lacking = [each for each in plan(offer, registry=REGISTRY) if each.lacks]
    assert [(each.title, each.config) for each in lacking] == [("good factor=3", None)]
    complete = Offer(subject=offer.subject, dataset=offer.dataset, scenes=own_run.scenes)
    assert not [each for each in plan(complete, registry=REGISTRY) if each.lacks]
    without = plan(Offer(subject=offer.subject), registry=REGISTRY)
    assert {each.title for each in without if each.lacks} >= {"refusing", "buggy", "last"}


def test_options_are_set_for_one_evaluation(offer):
    planned = plan(offer, seed=2, settings={"last.seed": "3"}, registry=REGISTRY)
    seeds = {each.title: each.config.seed for each in planned if each.config}
    assert seeds == {"good": 2, "good factor=2": 2, "refusing": 2, "buggy": 2, "last": 3}


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("goood.factor", "unknown-name"),
        ("good.facto", "unknown-name"),
        ("good.factor", "conflict"),  # a variant has its own
        ("good", "invalid"),
    ],
)
def test_wrong_settings_are_refused(offer, key, code):
    with user_error(code):
        plan(offer, settings={key: "1"}, registry=REGISTRY)


def test_models_that_compare_no_embeddings_are_neither_localized_nor_searched(offer):
    offer.subject.model.task = None
    lacking = {each.title for each in plan(offer) if each.lacks}
    assert {"localization", "retrieval"} <= lacking


def test_a_dry_run_prints_commands_that_make_the_same_records(own_run):
    words = ("eval", "all", own_run.run, "--data", own_run.dataset, "--scenes", own_run.scenes)
    done = CliRunner().invoke(cli, [*map(str, words), "--dry-run"])
    assert done.exit_code == 0
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    kinds = [command[command.index("eval") + 1] for command in commands]
    assert kinds.count("avc-bin") == kinds.count("avsa-bin") == kinds.count("segmentation") == 3
    assert done.stderr.count("skipped: action") == 2 == len(done.stderr.splitlines())
    assert not (own_run.run / "eval").exists()


@pytest.mark.slow
def test_everything_runs_on_scenes(own_run, tmp_path):
    (tmp_path / "empty").mkdir()
    words = ["eval", "all", own_run.run, "--data", own_run.dataset, "--scenes", own_run.scenes]
    for setting in SHORT:
        words += ["--set", setting]
    first = CliRunner().invoke(cli, list(map(str, words)))
    assert first.exit_code == 0, first.output
    records = {path: path.stat().st_mtime_ns for path, _ in records_of(own_run.run)}
    again = CliRunner().invoke(cli, list(map(str, [*words, "--ucf101", tmp_path / "empty"])))
    assert again.exit_code == 2 and "failed: action" in again.stderr
    assert {path: path.stat().st_mtime_ns for path, _ in records_of(own_run.run)} == records
    invoke(cli, "report", own_run.run, "--out", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert all(json.dumps(record.command)[1:-1] in page for _, record in records_of(own_run.run))


def test_evaluations_and_single_variants_can_be_left_out():
    titles = ("good", "good factor=2", "refusing", "last", "last factor=2")
    planned = [Planned(title, None) for title in titles]
    left = leave_out(planned, ["good factor=2", "last"])
    assert [each.title for each in left] == ["good", "refusing"]
    with user_error("unknown-name", "--skip"):
        leave_out(planned, ["god"])
