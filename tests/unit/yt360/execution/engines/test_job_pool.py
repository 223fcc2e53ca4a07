"""Workers in jobs of a batch system that runs in this process."""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.errors import user_error

from yt360.errors import UserError
from yt360.execution.engines.job_pool import JobPool
from yt360.execution.executor import MAX_LOSSES
from yt360.execution.local import Crashed
from yt360.locks import exclusive_lock


class InlineJobs:
    """Runs each batch when it is submitted.

    Args:
        ends: Whether the job ends at a task, without its result and those of later tasks.
        copies: Number of results that each task gets.
        answers: Whether it answers questions.
    """

    def __init__(
        self,
        ends: Callable[[Any], bool] = lambda _: False,
        copies: int = 1,
        answers: bool = True,
    ) -> None:
        self.ends, self.copies, self.answers = ends, copies, answers
        self.sizes: list[int] = []
        self.cancelled: list[Path] = []

    def at(self, folder: Path) -> InlineJobs:
        self.folder = folder
        return self

    def submit(self, batches):
        for batch in batches:
            self.sizes.append(len(batch.tasks))
            for number, request in batch.tasks:
                function, task = pickle.loads(request)
                if self.ends(task):
                    break
                for copy in range(self.copies):
                    reply = pickle.dumps((True, function(task)))
                    (batch.results / f"{number}-{len(self.sizes)}-{copy}.result").write_bytes(reply)
        return [f"job {n}" for n in range(len(self.sizes) - len(batches), len(self.sizes))]

    def alive(self):
        if not self.answers:
            raise OSError("nobody answers")
        return set()

    def cancel(self):
        self.cancelled.append(self.folder)

    def log(self, job):
        return f"first line\nlast line of {job}\n"


def opened(tmp_path: Path, jobs: InlineJobs, workers: int = 2, **options) -> JobPool:
    times = {"poll_s": 0.0, "state_s": 0.0, **options}
    return JobPool(tmp_path / "jobs", jobs.at, workers, 1, None, **times)


def test_each_task_gives_one_result_however_often_it_ran(tmp_path):
    jobs = InlineJobs(copies=2)
    with opened(tmp_path, jobs) as pool:
        assert Counter(pool.run(abs, deque(range(-20, 0)))) == Counter(
            (n, -n) for n in range(-20, 0)
        )
        assert list(pool.run(str, deque([1]))) == [(1, "1")]
    assert max(jobs.sizes) == 3 and len(jobs.sizes) == 8  # 4 batches for each of 2 workers, and one
    assert not (tmp_path / "jobs").exists()


def test_tasks_may_be_added_while_others_run(tmp_path):
    tasks, seen = deque([3]), []
    with opened(tmp_path, InlineJobs()) as pool:
        for task, result in pool.run(abs, tasks):
            seen.append(result)
            tasks.extend([task - 1] * (task > 0))
    assert seen == [3, 2, 1, 0]


def test_tasks_of_jobs_that_end_early_are_submitted_again_in_smaller_jobs(tmp_path):
    left = Counter({-3: MAX_LOSSES - 1})

    def ends(task):
        left[task] -= 1
        return left[task] >= 0

    jobs = InlineJobs(ends)
    with opened(tmp_path, jobs, workers=1) as pool:
        assert dict(pool.run(abs, deque(range(-16, 0)))) == {n: -n for n in range(-16, 0)}
    assert jobs.sizes[:5] == [4, 4, 4, 4, 1]


def test_jobs_that_are_not_taken_leave_no_folder(tmp_path):
    class Refusing(InlineJobs):
        def submit(self, batches):  # noqa: ARG002
            raise UserError("no such account", code="system", key="--executor")

    with user_error("system"), opened(tmp_path, Refusing()) as pool:
        list(pool.run(abs, deque([1])))
    assert not list(tmp_path.iterdir())


def test_a_task_under_which_every_job_ends_stops_the_run_and_keeps_the_logs(tmp_path):
    jobs = InlineJobs(lambda task: task == -3)
    with user_error("system", "--executor"), opened(tmp_path, jobs) as pool:
        list(pool.run(abs, deque([-3])))
    assert len(jobs.sizes) == MAX_LOSSES and jobs.cancelled and jobs.folder.exists()


def test_a_batch_system_that_does_not_answer_stops_the_run(tmp_path):
    jobs = InlineJobs(lambda _: True, answers=False)
    with user_error("network", "--executor"), opened(tmp_path, jobs, silence_s=0.0) as pool:
        list(pool.run(abs, deque([1])))


def test_jobs_of_a_run_whose_process_was_killed_are_cancelled_but_not_those_of_others(tmp_path):
    killed, other = tmp_path / "jobs" / "run-1", tmp_path / "jobs" / "run-2"
    killed.mkdir(parents=True)
    jobs = InlineJobs()
    with exclusive_lock(other / "lock"), opened(tmp_path, jobs):
        assert jobs.cancelled == [killed]
        assert not killed.exists() and other.exists()
    assert other.exists()


@pytest.mark.slow
def test_errors_and_crashes_of_real_jobs_reach_the_caller(tmp_path):
    """Jobs of submitit in processes of this machine, one of them killed at its first try."""
    from helpers.local_jobs import LocalJobs

    died = "__import__('os')._exit(3)"
    mark = tmp_path / "first-try"
    mark.touch()
    # The parent of the worker is the job.
    kills = f"__import__('os').path.exists({str(mark)!r}) and (__import__('os').remove"
    kills += f"({str(mark)!r}), __import__('os').kill(__import__('os').getppid(), 9)) and 0 or 7"
    times = {"poll_s": 0.02, "state_s": 0.1}
    pool = JobPool(tmp_path / "jobs", LocalJobs, 1, 1, None, **times)
    with pool as opened:
        tasks = deque([died, kills, "2"])
        assert dict(opened.run(eval, tasks)) == {died: Crashed(3), kills: 7, "2": 2}
        with pytest.raises(ZeroDivisionError):
            list(opened.run(eval, deque(["1 / 0"])))
    assert not (tmp_path / "jobs").exists()
