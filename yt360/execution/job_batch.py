"""A job of a batch system: tasks that one machine runs, with a file for each result.

The process that submitted the job takes the first result of each task. A job may run twice at once,
since a machine that does not answer may still work, so each result has a name of its own.
"""

from __future__ import annotations

import pickle
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt360.execution.limits import Limits
from yt360.execution.local import Crashed, WorkerPool, pickled_error
from yt360.files import atomic_write
from yt360.plugins import load_plugins

Reply = tuple[bool, Any]
"""Whether a task succeeded, and its result or its exception; or (True, `Crashed`)."""
KILL_S = 2.0
"""Seconds within which SIGKILL reaches all processes of a job."""
_SUFFIX = ".result"


@dataclass(frozen=True)
class Batch:
    """Tasks of one job.

    Attributes:
        results: Folder for the results.
        tasks: Number and pickled (function, task) of each task.
        workers: Number of worker processes.
        limits: Limits of each; None for no limits.
        plugins: Modules that the workers load as plugins.
    """

    results: Path
    tasks: tuple[tuple[int, bytes], ...]
    workers: int
    limits: Limits | None
    plugins: tuple[str, ...]


def run_batch(batch: Batch, wait: Callable[[float], None] = time.sleep) -> None:
    """Run the tasks of a batch and write their results.

    Args:
        batch: The tasks.
        wait: Waits for seconds.

    Raises:
        SystemExit: The job is being ended; its other tasks have no results.
    """
    load_plugins(batch.plugins)  # the pool has its workers load them
    with WorkerPool(batch.workers, batch.limits) as pool:
        for (number, _), reply in pool.run(_call, deque(batch.tasks)):
            if isinstance(reply, Crashed):
                _end_with_job(reply, wait)
            content = pickle.dumps((True, reply)) if isinstance(reply, Crashed) else reply
            name = f"{number}-{secrets.token_hex(8)}{_SUFFIX}"
            with atomic_write(batch.results / name) as file:
                file.write(content)


def _end_with_job(crash: Crashed, wait: Callable[[float], None]) -> None:
    """End this process if a worker process died because its job is being ended.

    A batch system that cancels a job, or ends it at its time limit, sends SIGTERM to all its
    processes, and later SIGKILL. submitit lets this process survive SIGTERM. The task is not at
    fault, so it must not get a result.
    """
    if crash.exit_code == -signal.SIGTERM:
        sys.exit("a worker process was terminated: the job is being ended")
    if crash.exit_code == -signal.SIGKILL:
        wait(KILL_S)  # this process may be killed next


def take_results(folder: Path) -> Iterator[tuple[int, Reply]]:
    """Yield the number and the reply of each result in a folder, and remove it."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            path.unlink()
            yield int(path.name.partition("-")[0]), pickle.loads(content)


def _call(numbered: tuple[int, bytes]) -> bytes:
    """Run a pickled task in a worker; return the pickled reply."""
    try:
        function, task = pickle.loads(numbered[1])
        return pickle.dumps((True, function(task)))
    except Exception as error:
        return bytes(pickled_error(error))
