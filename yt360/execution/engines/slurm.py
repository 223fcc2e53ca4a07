"""Jobs of Slurm, submitted by submitit; their states come from ``squeue``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from yt360.config import config_class
from yt360.errors import UserError, did_you_mean
from yt360.execution.engines.job_pool import JobPool
from yt360.execution.job_batch import Batch, run_batch
from yt360.execution.limits import Limits
from yt360.terminal.text import shortened

COMMAND_S = 60.0
"""Time limit of ``squeue`` and ``scancel`` in seconds."""


@config_class
class SlurmConfig:
    """Options of Slurm."""

    cpus: Annotated[int, Field(ge=1)] = 1
    """Cores of a job; each runs one worker process."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs of a job."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of a job in GB; None uses the site's default."""
    minutes: Annotated[int, Field(ge=1)] = 240
    """Time limit of a job. Tasks of a job that runs out of time are submitted again."""
    setup: list[str] = Field(default_factory=list)
    """Shell commands before a job, such as ``module load ffmpeg``."""
    sbatch: dict[str, str | int] = Field(default_factory=dict)
    """Further options of ``sbatch``: ``account: lab`` is ``--account=lab``."""
    folder: str | None = None
    """Folder for jobs and their results, on a disk that all nodes share; None: next to the output,
    which must then be on such a disk."""
    poll_s: Annotated[float, Field(gt=0)] = 1.0
    """Seconds between two looks for results."""
    state_s: Annotated[float, Field(gt=0)] = 10.0
    """Seconds between two calls of ``squeue``."""


class SlurmExecutor:
    """Runs workers in jobs of Slurm.

    Args:
        config: Options.
        partition: Partition; None uses the site's default.
        folder: Folder for jobs and their results, unless the options name one.
        call: See `SlurmJobs`.
    """

    default_workers = 100

    def __init__(
        self,
        config: SlurmConfig,
        partition: str | None,
        folder: Path,
        call: Callable[[Sequence[str]], str] | None = None,
    ) -> None:
        self._config, self._partition, self._call = config, partition, call or _call
        self._folder = folder if config.folder is None else Path(config.folder)

    def require_answer(self) -> None:
        """Check that Slurm answers and has the partition.

        Raises:
            UserError: ``"network"``: It does not answer; ``"unknown-name"``: It has no such
                partition.
        """
        try:
            known = self._call(["sinfo", "--noheader", "--all", "--format=%R"]).split()
        except (OSError, subprocess.SubprocessError) as error:
            raise UserError(
                f"Slurm does not answer: {_detail(error)}; start the command on a machine where "
                "`sinfo` lists partitions",
                code="network",
                key="--executor",
            ) from None
        for name in (self._partition or "").split(","):
            if name and name not in known:
                raise UserError(
                    f"--executor slurm:{shortened(self._partition or '', 80)}: Slurm has no "
                    f"partition {shortened(name, 80)!r}{did_you_mean(name, sorted(set(known)))}",
                    code="unknown-name",
                    key="--executor",
                )

    def pool(self, workers: int, limits: Limits | None = None) -> JobPool:
        """See `yt360.execution.executor.Executor`."""
        config = self._config
        at_once = -(-workers // config.cpus)
        options = sbatch_options(config, self._partition, at_once)
        return JobPool(
            self._folder.absolute(),
            partial(SlurmJobs, options=options),
            workers,
            config.cpus,
            limits,
            config.poll_s,
            config.state_s,
        )


def sbatch_options(config: SlurmConfig, partition: str | None, at_once: int) -> dict[str, Any]:
    """Return the parameters of submitit.

    Args:
        config: Options.
        partition: Partition; None uses the site's default.
        at_once: Maximum number of jobs of an array that run at once.
    """
    options: dict[str, Any] = {
        "time": config.minutes,
        "cpus_per_task": config.cpus,
        "array_parallelism": at_once,
    }
    if partition is not None:
        options["partition"] = partition
    if config.memory_gb is not None:
        options["mem"] = f"{round(config.memory_gb * 1000)}MB"
    if config.gpus:
        options["gpus_per_node"] = config.gpus
    if config.setup:
        options["setup"] = config.setup
    if config.sbatch:
        options["additional_parameters"] = config.sbatch
    return options


class SlurmJobs:
    """The jobs of one run, which carry its name.

    Args:
        folder: The run's folder.
        options: Parameters of submitit.
        call: Runs a command and returns its output; raises `OSError` or
            `subprocess.SubprocessError`.
    """

    def __init__(
        self,
        folder: Path,
        options: dict[str, Any],
        call: Callable[[Sequence[str]], str] | None = None,
    ) -> None:
        self._folder, self._options, self._call = folder, options, call or _call
        self._name = f"yt360-{folder.name}"

    def submit(self, batches: Sequence[Batch]) -> list[str]:
        """See `yt360.execution.engines.job_pool.Jobs`.

        Raises:
            UserError: Slurm is not here, or refuses the jobs.
        """
        import submitit

        try:
            executor = submitit.SlurmExecutor(self._folder / "jobs")
            executor.update_parameters(job_name=self._name, **self._options)
            return [job.job_id for job in executor.map_array(run_batch, batches)]
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            raise UserError(
                f"Slurm does not take the jobs: {_detail(error)}; see --executor-config",
                code="system",
                key="--executor",
            ) from None

    def alive(self) -> set[str]:
        """See `yt360.execution.engines.job_pool.Jobs`."""
        command = ["squeue", "--noheader", "--array", f"--name={self._name}", "--format=%i"]
        try:
            return set(self._call(command).split())
        except subprocess.SubprocessError as error:
            raise OSError(str(error)) from None

    def cancel(self) -> None:
        """See `yt360.execution.engines.job_pool.Jobs`; a failure is left to the next run."""
        try:
            self._call(["scancel", f"--name={self._name}"])
        except (OSError, subprocess.SubprocessError):
            return

    def log(self, job: str) -> str:
        """See `yt360.execution.engines.job_pool.Jobs`."""
        logs = sorted((self._folder / "jobs").glob(f"{job}_*_log.err"))
        return logs[-1].read_text(errors="replace") if logs else ""


def _detail(error: Exception) -> str:
    """Return what a command of Slurm has printed on standard error, or the error itself."""
    printed = getattr(error, "stderr", None)
    return shortened(" ".join(str(printed or error).split()), 300)


def _call(command: Sequence[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=True)
    return result.stdout
