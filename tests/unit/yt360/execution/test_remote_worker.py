"""A worker on another machine."""

from __future__ import annotations

from contextlib import closing

import pytest

from yt360.execution.limits import Limits
from yt360.execution.local import Crashed
from yt360.execution.remote_worker import RemoteWorker, pickled_task, result_of


def run(worker: RemoteWorker, source: str):
    return result_of(worker.call(pickled_task(eval, source)))


def test_results_errors_and_crashes_travel_as_bytes():
    with closing(RemoteWorker(None)) as worker:
        assert worker.ready() and run(worker, "1 + 1") == 2
        with pytest.raises(ZeroDivisionError):
            run(worker, "1 / 0")
        assert run(worker, "__import__('os').kill(__import__('os').getpid(), 9)") == Crashed(-9)
        assert run(worker, "3") == 3


@pytest.mark.usefixtures("spawned_workers")  # a fork inherits the alarm of pytest-timeout
def test_limits_hold_for_the_worker():
    with closing(RemoteWorker(Limits(time_s=0.05))) as worker:
        assert run(worker, "__import__('time').sleep(60)").reason == "timeout"
