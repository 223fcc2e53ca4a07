"""Evaluations with workers: the bytes and the records of one process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import torch
from helpers.errors import user_error
from helpers.fatal_features import KillOnce
from helpers.in_process import InlineExecutor
from helpers.paths import REPOSITORY
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.evals import feature_cache as cache
from avsa.evals.all import Planned, evaluate_all
from avsa.evals.base import Context, EvaluationConfig, Offer
from avsa.evals.config_options import configure
from avsa.evals.feature_cache import plain_spec, view_features
from avsa.evals.result import Metric, Result
from avsa.evals.run import evaluate
from avsa.evals.subject import open_subject
from avsa.evals.workers.pool import Workers
from avsa.training.distributed import World
from yt360.config import config_class
from yt360.execution.engines.job_pool import JobPool
from yt360.execution.executor import LocalExecutor

ALONE = World(0, 1, torch.device("cpu"))
INLINE = Workers(InlineExecutor(), 2, "cpu")


class JobsExecutor:
    """An engine with jobs in processes of this machine, by submitit."""

    default_workers = 2

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pool(self, workers, limits=None):
        from helpers.local_jobs import LocalJobs

        return JobPool(self.folder, LocalJobs, workers, 1, limits, poll_s=0.1, state_s=0.5)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(cache, "BATCH_SIZE", 2)
    monkeypatch.setattr(cache, "PART_BATCHES", 2)


@pytest.fixture
def context(own_run, tmp_path):
    subject = open_subject(str(own_run.run), "cpu")
    return Context(subject, own_run.dataset, ALONE, tmp_path / "work", tmp_path / "alone", tmp_path,
                   "x")  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_parts_of_workers_have_the_bytes_of_one_process(context, small_parts, tmp_path):
    spec = replace(plain_spec(context.subject.config, "train", 2, seed=0), draws=3)
    alone = view_features(context, spec)
    elsewhere = replace(context, features=tmp_path / "elsewhere", workers=INLINE)
    found = view_features(elsewhere, spec)
    assert files(tmp_path / "elsewhere") == files(tmp_path / "alone")
    assert len(files(tmp_path / "alone")) > 3
    assert found.keys == alone.keys and torch.equal(found.video, alone.video)


def test_a_worker_that_is_killed_changes_no_byte(context, small_parts, tmp_path):
    spec = replace(plain_spec(context.subject.config, "test", 2, seed=0), draws=2)
    killer = KillOnce(tmp_path / "killed")
    workers = Workers(LocalExecutor(), 2, "cpu")
    view_features(replace(context, features=tmp_path / "elsewhere", workers=workers), spec, killer)
    assert killer.mark.exists()
    view_features(context, spec, killer)
    assert files(tmp_path / "elsewhere") == files(tmp_path / "alone")
    assert len(files(tmp_path / "alone")) > 2


@pytest.mark.slow
def test_a_job_that_is_killed_changes_no_byte(context, small_parts, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "tests"), prepend=os.pathsep)
    spec = replace(plain_spec(context.subject.config, "test", 2, seed=0), draws=4)
    killer = KillOnce(tmp_path / "killed", whole_job=True)
    workers = Workers(JobsExecutor(tmp_path / "jobs"), 2, "cpu")
    view_features(replace(context, features=tmp_path / "elsewhere", workers=workers), spec, killer)
    assert killer.mark.exists()
    view_features(context, spec, killer)
    assert files(tmp_path / "elsewhere") == files(tmp_path / "alone")
    assert len(files(tmp_path / "alone")) > 3


@pytest.mark.parametrize("kind", ["retrieval", "localization", "avsa-bin"])
def test_records_are_those_of_one_process(kind, own_run, tmp_path):
    options = {
        "retrieval": {},
        "localization": {"scenes": str(own_run.scenes), "pictures": 1},
        "avsa-bin": {"train_draws": 2, "test_draws": 1, "schedule": {"epochs": 1}},
    }[kind]
    config, found = configure(kind, options, {}), []
    for workers in (None, INLINE):
        out = tmp_path / f"out-{workers is None}"
        subject = open_subject(str(own_run.run), "cpu")
        record, _ = evaluate(config, subject, own_run.dataset, out, ALONE, workers=workers)
        found.append((replace(record, made_at="", command=""), files(out / "eval" / "pictures")))
    assert found[0] == found[1] and found[0][0].result.metrics


@pytest.mark.parametrize("kind", ["segmentation", "action"])
def test_evaluations_without_anything_clip_by_clip_have_no_workers(kind, own_run, tmp_path):
    options = {"action": {"dataset": "ucf101", "root": str(tmp_path)}}.get(kind, {})
    config = configure(kind, options, {})
    subject = open_subject(str(own_run.run), "cpu")
    with user_error("unsupported", "--executor"):
        evaluate(config, subject, own_run.dataset, own_run.run, ALONE, workers=INLINE)


@pytest.mark.parametrize("kind", ["segmentation", "action"])
def test_their_commands_say_so(kind, own_run, tmp_path):
    data = {"segmentation": ["--data", own_run.dataset]}.get(
        kind, ["--dataset", "ucf101", "--root", tmp_path]
    )
    words = ["eval", kind, own_run.run, *data, "--device", "cpu", "--workers", 2]
    with user_error("unsupported", "--workers"):
        invoke(cli, *words)


@config_class
class TellingConfig(EvaluationConfig):
    """Tells how many workers it has got."""

    kind: Literal["telling"] = "telling"

    def evaluate(self, context):
        count = 0 if context.workers is None else context.workers.count
        return Result(metrics={"workers": Metric(value=count, unit="")})


@config_class
class AloneConfig(TellingConfig):
    """Takes no workers."""

    takes_workers: ClassVar[bool] = False
    kind: Literal["alone"] = "alone"


def test_all_evaluations_have_workers_where_they_take_them(own_run):
    planned = [Planned("telling", TellingConfig()), Planned("alone", AloneConfig())]
    offer = Offer(subject=open_subject(str(own_run.run), "cpu"), dataset=own_run.dataset)
    outcomes = evaluate_all(planned, offer, own_run.run, ALONE, lambda: offer.subject, INLINE)
    found = [record.result.metrics["workers"].value for _, record, _ in outcomes]
    assert found == [INLINE.count, 0]


def test_all_evaluations_end_at_once_if_the_engine_is_unknown(own_run):
    with user_error("unknown-name", "--executor"):
        invoke(cli, "eval", "all", own_run.run, "--data", own_run.dataset, "--executor", "rya")


def test_the_command_computes_features_with_workers(own_run):
    words = ("eval", "retrieval", own_run.run, "--data", own_run.dataset, "--device", "cpu")
    assert "features of test: 1/1" in invoke(cli, *words, "--workers", 2)
