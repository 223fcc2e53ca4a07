"""The tasks of a job, in worker processes of this machine."""

from __future__ import annotations

import pickle
from signal import SIGKILL, SIGSEGV, SIGTERM, raise_signal

import pytest

from yt360.execution.job_batch import KILL_S, Batch, run_batch, take_results
from yt360.execution.local import Crashed


def run_tasks(folder, *calls, wait=None) -> dict:
    """Run calls (function, argument) as one job with one worker; return results by number."""
    requests = tuple((number, pickle.dumps(call)) for number, call in enumerate(calls))
    run_batch(Batch(folder, requests, workers=1, limits=None, plugins=()), wait)
    return dict(take_results(folder))


def test_a_task_whose_worker_dies_has_a_result_and_so_have_the_later_ones(tmp_path):
    found = run_tasks(tmp_path, (abs, -1), (raise_signal, SIGSEGV), (abs, -2))
    assert found == {0: (True, 1), 1: (True, Crashed(-SIGSEGV)), 2: (True, 2)}


def test_a_task_whose_worker_is_terminated_with_its_job_has_no_result(tmp_path):
    with pytest.raises(SystemExit):
        run_tasks(tmp_path, (abs, -1), (raise_signal, SIGTERM), (abs, -2))
    assert dict(take_results(tmp_path)) == {0: (True, 1)}


def test_a_killed_worker_has_a_result_after_the_time_in_which_its_job_would_be_killed(tmp_path):
    waited = []
    found = run_tasks(tmp_path, (raise_signal, SIGKILL), wait=waited.append)
    assert found == {0: (True, Crashed(-SIGKILL))} and waited == [KILL_S]
