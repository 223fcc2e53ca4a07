"""Jobs in processes of this machine, by submitit's local executor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import submitit

from yt360.execution.job_batch import Batch, run_batch


class LocalJobs:
    """See `yt360.execution.engines.job_pool.Jobs`."""

    def __init__(self, folder: Path) -> None:
        self._executor = submitit.LocalExecutor(folder / "jobs")
        self._jobs: list[submitit.LocalJob] = []

    def submit(self, batches: Sequence[Batch]) -> list[str]:
        jobs = self._executor.map_array(run_batch, batches)
        self._jobs += jobs
        return [job.job_id for job in jobs]

    def alive(self) -> set[str]:
        return {job.job_id for job in self._jobs if not job.done()}

    def cancel(self) -> None:
        for job in self._jobs:
            job.cancel()

    def log(self, job: str) -> str:
        found = next(each for each in self._jobs if each.job_id == job)
        return found.stderr() or ""
