"""Workers of an evaluation: when there are some, and what happens when they die."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext

import pytest
import torch
from helpers.errors import user_error
from helpers.in_process import InlineExecutor

from avsa.evals.workers.pool import ATTEMPTS, Workers, choose_workers
from avsa.training.distributed import World
from yt360.execution.executor import LocalExecutor
from yt360.execution.local import Crashed

ALONE = World(0, 1, torch.device("cpu"))


class DyingExecutor:
    """An engine under whose workers each task kills its process some times.

    Args:
        deaths: How often, by task.
    """

    default_workers = 1

    def __init__(self, **deaths: int) -> None:
        self.deaths, self.sizes = deaths, []

    def pool(self, workers, limits=None):  # noqa: ARG002
        self.sizes.append(workers)
        return nullcontext(self)

    def run(self, function, tasks: deque):
        while tasks:
            task = tasks.popleft()
            self.deaths[task] = self.deaths.get(task, 0) - 1
            yield task, Crashed(-9) if self.deaths[task] >= 0 else function(task)


def test_tasks_whose_process_dies_are_tried_again():
    engine = DyingExecutor(a=ATTEMPTS - 1, b=1)
    found = dict(Workers(engine, 8, "cpu").run(str.upper, ["a", "b", "c"]))
    assert found == {"a": "A", "b": "B", "c": "C"} and engine.sizes == [3]


def test_a_task_that_kills_every_process_ends_the_evaluation():
    with user_error("system", "--workers"):
        list(Workers(DyingExecutor(b=ATTEMPTS), 1, "cpu").run(str.upper, ["a", "b", "c"]))


def test_no_worker_starts_without_a_task():
    engine = DyingExecutor()
    assert not list(Workers(engine, 2, "cpu").run(str.upper, [])) and not engine.sizes


@pytest.mark.parametrize("count", [None, 1])
def test_one_process_of_this_machine_is_the_command_itself(count, tmp_path):
    assert choose_workers("local", None, count, "cpu", tmp_path / "run", ALONE) is None


def test_several_processes_of_this_machine_share_its_cores(tmp_path):
    found = choose_workers("local", None, 1000, "cpu", tmp_path / "run", ALONE)
    assert isinstance(found.executor, LocalExecutor)
    assert (found.count, found.device, found.is_elsewhere) == (1000, "cpu", False)
    assert Workers(InlineExecutor(), 1, "cpu").is_elsewhere


def test_more_threads_than_cores_are_warned_of(tmp_path, caplog):
    choose_workers("local", None, 1000, "cpu", tmp_path / "run", ALONE)
    assert len(caplog.records) == 1


def test_workers_and_ranks_are_not_combined(tmp_path):
    ranks = World(0, 2, torch.device("cpu"))
    assert choose_workers("local", None, None, "cpu", tmp_path / "run", ranks) is None
    with user_error("conflict", "--executor"):
        choose_workers("local", None, 2, "cpu", tmp_path / "run", ranks)


def test_unknown_engines_are_refused(tmp_path):
    with user_error("unknown-name", "--executor"):
        choose_workers("rya", None, None, "cpu", tmp_path / "run", ALONE)
