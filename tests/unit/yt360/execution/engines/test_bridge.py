"""A pool in another process."""

from __future__ import annotations

import os
import signal
from collections import deque
from functools import partial

import pytest
from helpers.errors import user_error
from helpers.in_process import InlinePool

from yt360.errors import UserError
from yt360.execution.engines.bridge import Bridge
from yt360.execution.local import Crashed, WorkerPool


def refuse():
    raise UserError("no cluster answers", code="conflict", key="cluster")


@pytest.fixture(scope="module")
def bridge():
    with Bridge(partial(WorkerPool, 2), 2, "the cluster") as opened:
        yield opened


def test_results_and_crashes_come_with_their_tasks(bridge):
    died = "__import__('os')._exit(3)"
    assert dict(bridge.run(eval, deque(["1 + 1", died, "3"]))) == {
        "1 + 1": 2,
        died: Crashed(3),
        "3": 3,
    }
    assert dict(bridge.run(abs, deque([-1]))) == {-1: 1}


def test_tasks_may_be_added_while_others_run(bridge):
    tasks, seen = deque([3]), []
    for task, result in bridge.run(abs, tasks):
        seen.append(result)
        tasks.extend([task - 1] * (task > 0))
    assert seen == [3, 2, 1, 0]


def test_an_error_of_the_function_reaches_the_caller():
    with Bridge(InlinePool, 1, "the cluster") as opened, pytest.raises(ZeroDivisionError):
        list(opened.run(eval, deque(["1 / 0"])))


def test_an_engine_that_cannot_be_opened_says_so():
    with user_error("conflict", "cluster"), Bridge(refuse, 1, "the cluster"):
        pytest.fail("the block must not begin")


def test_an_engine_whose_process_dies_is_named():
    kill = f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGKILL)})"
    with Bridge(InlinePool, 1, "the cluster") as opened, user_error("network", "--executor"):
        list(opened.run(eval, deque([kill])))


def test_its_process_and_their_workers_end_with_the_block():
    with Bridge(partial(WorkerPool, 1), 1, "the cluster") as opened:
        ((_, worker),) = opened.run(eval, deque(["__import__('os').getpid()"]))
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
