"""Killing a job of Slurm in the middle of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

LOOK_EVERY_S = 0.1
How = Literal["scancel", "SIGKILL"]


class Cluster(Protocol):
    """A batch system; see `Slurm`."""

    def states(self) -> dict[str, str]:
        """Return the state of each job by id, also of those that have ended, the first first."""

    def hosts(self, job: str) -> list[int]:
        """Return the processes of a job whose worker process has started."""

    def cancel(self, job: str) -> None:
        """Cancel a job."""


def kill_one(
    cluster: Cluster,
    former: set[str],
    how: How,
    is_running: Callable[[], bool],
    kill: Callable[[int, int], None] = os.kill,
    wait: Callable[[float], None] = time.sleep,
) -> str | None:
    """Kill a job that has a worker process, once another one has completed.

    Args:
        cluster: Has the jobs.
        former: Jobs that are not meant.
        how: ``"scancel"``, or ``"SIGKILL"`` of the process that runs the job's tasks on its node.
        is_running: Whether the command that submits the jobs still runs.
        kill: Sends a signal to a process.
        wait: Waits for seconds.

    Returns:
        The id of the job; None if the command ended first.
    """
    while is_running():
        states = {job: s for job, s in cluster.states().items() if job not in former}
        running = [job for job, state in states.items() if state == "RUNNING"]
        for job in reversed(running if "COMPLETED" in states.values() else []):
            for host in cluster.hosts(job):
                if how == "scancel":
                    cluster.cancel(job)
                    return job
                with suppress(ProcessLookupError):
                    kill(host, signal.SIGKILL)
                    return job
        wait(LOOK_EVERY_S)
    return None


class Slurm:
    """The Slurm of this machine, all of whose nodes are on it."""

    def states(self) -> dict[str, str]:
        """See `Cluster`."""
        command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        pairs = [line.split() for line in done.stdout.splitlines()]
        return dict(sorted(pairs, key=lambda pair: [int(part) for part in pair[0].split("_")]))

    def hosts(self, job: str) -> list[int]:
        """See `Cluster`."""
        return [
            parent
            for command, parent in _processes(job)
            if b"spawn_main" in command and b"submitit" in _read(parent, "cmdline")
        ]

    def cancel(self, job: str) -> None:
        """See `Cluster`."""
        subprocess.run(["scancel", job], check=True)


def _processes(job: str) -> Iterator[tuple[bytes, int]]:
    """Yield the command line and the parent of each process of a job of an array."""
    array, _, task = job.partition("_")
    wanted = {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
    for folder in Path("/proc").glob("[0-9]*"):
        number = int(folder.name)
        if wanted <= set(_read(number, "environ").split(b"\0")):
            parent = _read(number, "status").partition(b"PPid:")[2].split()
            if parent:
                yield _read(number, "cmdline"), int(parent[0])


def _read(process: int, name: str) -> bytes:
    """Return a file of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""
