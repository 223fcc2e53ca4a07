"""Evaluations that are killed, shared by ranks, and carried out twice at a time."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import Literal

import pytest
import torch
from helpers import processes
from helpers.head_evaluation import KILL, HeadConfig

from avsa.evals.base import EvaluationConfig
from avsa.evals.result import Result
from avsa.evals.run import evaluate
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from yt360.config import config_class
from yt360.locks import Locked

ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture
def start(own_run, tmp_path):
    """Return a function that starts an evaluation in a process of its own."""

    def begin(kind, *options, out=own_run.run, **environment):
        words = [kind, own_run.run, "--data", own_run.dataset, "--out", out, *options]
        output = tmp_path / f"printed{environment.get('RANK', '')}.txt"
        return processes.start(
            processes.__file__, "eval_command", *map(str, words), output=output, **environment
        )

    return begin


def finished(process):
    process.join(200)
    return process.exitcode


def record_in(folder):
    (path,) = (folder / "eval").glob("*.json")
    record = json.loads(path.read_text())
    return {name: value for name, value in record.items() if name not in ("made_at", "command")}


def test_an_evaluation_that_is_killed_goes_on_with_the_same_record(own_run, start, tmp_path):
    config = HeadConfig(dropout=0.5)
    subject = open_subject(str(own_run.run), "cpu")
    evaluate(config, subject, own_run.dataset, tmp_path / "whole", ALONE)
    for place in ("features:2", "training:5"):
        assert finished(start("head", "--set", "dropout=0.5", **{KILL: place})) == -signal.SIGKILL
    assert len(list((own_run.run / "eval" / "features").glob("*/part*"))) == 2
    assert not list((own_run.run / "eval").glob("*.json"))
    assert finished(start("head", "--set", "dropout=0.5", **{KILL: "training:9"})) == 0
    assert record_in(own_run.run) == record_in(tmp_path / "whole")
    assert not list((own_run.run / "eval" / ".work").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("avsa-bin", ("--set", "schedule.epochs=20")),
        ("segmentation", ("--set", "schedule.epochs=3", "--set", "batch_size=2")),
    ],
)
def test_a_built_in_evaluation_goes_on_where_it_was_killed(own_run, start, tmp_path, kind, options):
    assert finished(start(kind, *options, out=tmp_path / "whole")) == 0
    for kills in range(3):
        process, states = start(kind, *options), own_run.run / "eval" / ".work"
        while process.is_alive() and not list(states.glob("*/*.pt")):
            time.sleep(0.001)
        time.sleep(0.05 * kills)
        process.kill()
        assert finished(process) == -signal.SIGKILL
    assert finished(start(kind, *options)) == 0
    assert record_in(own_run.run) == record_in(tmp_path / "whole")


def test_two_ranks_give_the_result_of_one(own_run, start, tmp_path):
    evaluate(
        HeadConfig(), open_subject(str(own_run.run), "cpu"), own_run.dataset, own_run.run, ALONE
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = [
        start("head", out=tmp_path / "ranks", RANK=str(rank), LOCAL_RANK=str(rank), **address)
        for rank in range(2)
    ]
    assert [finished(rank) for rank in ranks] == [0, 0]
    one, two = (record_in(folder)["result"] for folder in (own_run.run, tmp_path / "ranks"))
    assert two["metrics"]["error"]["value"] == pytest.approx(one["metrics"]["error"]["value"])
    for ours, theirs in zip(two["tables"]["epochs"], one["tables"]["epochs"], strict=True):
        assert ours == pytest.approx(theirs)


def test_two_processes_do_not_make_the_same_record(own_run):
    subject = open_subject(str(own_run.run), "cpu")

    @config_class
    class NestedConfig(EvaluationConfig):
        """Evaluates the same while it evaluates."""

        kind: Literal["nested"] = "nested"

        def evaluate(self, context):  # noqa: ARG002
            with pytest.raises(Locked):
                evaluate(self, subject, own_run.dataset, own_run.run, ALONE)
            return Result(metrics={})

    _, path = evaluate(NestedConfig(), subject, own_run.dataset, own_run.run, ALONE)
    assert path.exists()
