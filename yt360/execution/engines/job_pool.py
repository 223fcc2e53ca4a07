"""Worker processes in the jobs of a batch system.

The tasks at hand are submitted as an array of jobs, each with a batch of tasks. Results are files,
which are taken as they appear. Tasks of a job that has ended without their results (killed, out of
time, its machine lost) are submitted again, in smaller batches.
"""

from __future__ import annotations

import math
import pickle
import secrets
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from yt360.errors import UserError
from yt360.execution.executor import MAX_LOSSES
from yt360.execution.job_batch import Batch, take_results
from yt360.execution.limits import Limits
from yt360.execution.local import Crashed
from yt360.files import private_folder
from yt360.locks import Locked, exclusive_lock
from yt360.plugins import loaded_plugins
from yt360.terminal.text import shortened

Task = TypeVar("Task")
Result = TypeVar("Result")
BATCHES_PER_JOB = 4
"""Batches per job that runs at once, so that fast machines take more of them."""
MAX_ARRAY = 1000
"""Jobs in an array, as most sites allow."""


class Jobs(Protocol):
    """The jobs of one run on a batch system."""

    def submit(self, batches: Sequence[Batch]) -> list[str]:
        """Submit a job for each batch; return their ids."""

    def alive(self) -> set[str]:
        """Return the ids of the jobs that wait or run.

        Raises:
            OSError: The batch system does not answer.
        """

    def cancel(self) -> None:
        """Cancel all jobs."""

    def log(self, job: str) -> str:
        """Return what a job has printed on standard error; empty if there is nothing."""


class JobPool:
    """Workers in jobs; see `yt360.execution.local.WorkerPool`.

    Args:
        folder: Folder that this process and the jobs share; the run has a folder of its own in it.
        make_jobs: Returns the jobs of a run, whose folder is the argument; also those of a former
            run, to cancel them.
        workers: Number of worker processes in all jobs that run at once.
        per_job: Number of worker processes in a job.
        limits: Limits of each worker; None for no limits.
        poll_s: Seconds between two looks at the results.
        state_s: Seconds between two questions about the jobs. A job has ended if two answers in
            a row miss it, since its last results may appear late in a shared folder.
        silence_s: Seconds without an answer after which the batch system is gone.
    """

    def __init__(
        self,
        folder: Path,
        make_jobs: Callable[[Path], Jobs],
        workers: int,
        per_job: int,
        limits: Limits | None,
        poll_s: float = 1.0,
        state_s: float = 10.0,
        silence_s: float = 600.0,
    ) -> None:
        self._base, self._make_jobs, self._limits = folder, make_jobs, limits
        self._per_job, self._jobs_at_once = per_job, math.ceil(workers / per_job)
        self._poll_s, self._state_s, self._silence_s = poll_s, state_s, silence_s
        self._stack = ExitStack()
        self._number = 0
        self._under_way: dict[int, tuple[Any, bytes]] = {}
        """Number -> task, and (function, task) pickled."""
        self._batches: dict[str, tuple[int, ...]] = {}
        """Id of a job -> numbers of its tasks."""
        self._losses: Counter[int] = Counter()
        """Number of a task -> jobs that ended without its result."""
        self._has_jobs = False
        """Whether any job was submitted."""
        self._missing: set[str] = set()
        """Jobs that the last answer missed."""

    def __enter__(self) -> JobPool:
        private_folder(self._base)
        self._cancel_former_runs()
        self._folder = self._base / f"run-{secrets.token_hex(8)}"
        self._results = self._folder / "results"
        private_folder(self._results)
        self._stack.enter_context(exclusive_lock(self._folder / "lock"))
        self._jobs = self._make_jobs(self._folder)
        self._stack.callback(self._jobs.cancel)
        self._asked_at = self._answered_at = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        if error is None or not self._has_jobs:  # else the logs of the jobs may tell why
            shutil.rmtree(self._folder, ignore_errors=True)
            with suppress(OSError):  # another run is in it
                self._base.rmdir()

    def run(
        self, function: Callable[[Task], Result], tasks: deque[Task]
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """See `yt360.execution.local.WorkerPool.run`.

        Raises:
            UserError: The batch system does not answer, or `MAX_LOSSES` jobs ended under a task.
        """
        while True:
            self._submit_new(function, tasks)
            if not self._under_way:
                return
            is_idle = True
            for number, (succeeded, value) in take_results(self._results):
                task, _ = self._under_way.pop(number, (None, b""))
                if task is None:  # the second of two jobs with the same task
                    continue
                if not succeeded:
                    raise value
                is_idle = False
                self._losses.pop(number, None)
                yield task, value
            if is_idle and not tasks:
                self._submit_lost()
                time.sleep(self._poll_s)

    def _submit_new(self, function: Callable[[Any], Any], tasks: deque[Any]) -> None:
        numbers = []
        while tasks:
            self._number += 1
            task = tasks.popleft()
            self._under_way[self._number] = task, pickle.dumps((function, task))
            numbers.append(self._number)
        size = math.ceil(len(numbers) / (self._jobs_at_once * BATCHES_PER_JOB))
        self._submit(numbers, max(size, math.ceil(len(numbers) / MAX_ARRAY), 1))

    def _submit(self, numbers: Sequence[int], size: int) -> None:
        """Submit tasks, `size` of them as a job."""
        groups = [tuple(numbers[at : at + size]) for at in range(0, len(numbers), size)]
        for first in range(0, len(groups), MAX_ARRAY):
            array = groups[first : first + MAX_ARRAY]
            batches = [
                Batch(
                    self._results,
                    tuple((number, self._under_way[number][1]) for number in group),
                    min(self._per_job, len(group)),
                    self._limits,
                    loaded_plugins(),
                )
                for group in array
            ]
            self._batches.update(zip(self._jobs.submit(batches), array, strict=True))
            self._has_jobs = True

    def _submit_lost(self) -> None:
        """Submit the tasks again whose jobs have ended, if it is time to ask."""
        if time.monotonic() < self._asked_at + self._state_s:
            return
        try:
            alive = self._jobs.alive()
        except OSError as error:
            if time.monotonic() > self._answered_at + self._silence_s:
                raise UserError(
                    f"the batch system does not answer: {error}; what is done is kept: run the "
                    "same command again to continue",
                    code="network",
                    key="--executor",
                ) from None
            return
        finally:
            self._asked_at = time.monotonic()
        self._answered_at = self._asked_at
        missing = self._batches.keys() - alive
        ended, self._missing = missing & self._missing, missing
        for job in sorted(ended):
            lost = [number for number in self._batches.pop(job) if number in self._under_way]
            self._losses.update(lost)
            losses = max((self._losses[number] for number in lost), default=0)
            if losses >= MAX_LOSSES:
                raise UserError(self._why(job), code="system", key="--executor")
            self._submit(lost, max(1, len(lost) // 4))

    def _why(self, job: str) -> str:
        last = (self._jobs.log(job).strip().splitlines() or ["its log is empty"])[-1]
        return (
            f"{MAX_LOSSES} jobs ended under one task, job {job} the last: "
            f"{shortened(last, 300)}; see {self._folder}, then run the same command again to "
            "continue"
        )

    def _cancel_former_runs(self) -> None:
        """Cancel the jobs of runs whose process has ended, and remove their folders."""
        for folder in self._base.glob("run-*"):
            try:
                with exclusive_lock(folder / "lock"):
                    self._make_jobs(folder).cancel()
                    shutil.rmtree(folder, ignore_errors=True)
            except Locked:
                continue
