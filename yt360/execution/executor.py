"""Where worker processes run: on this machine, on a Ray cluster, or as jobs of Slurm.

An `Executor` opens pools, and a pool runs tasks: ``run(function, tasks)`` yields each task with its
result, or with `Crashed`. All engines keep the same promises (`yt360.execution.local.Pool`), so a
command gives the same results with each of them:

- Each task runs in a worker process with the same limits, through `WorkerPool`, on the machine that
  the engine chose. A crash of the process is a result, with the same exit code everywhere.
- A task whose machine, job or host process ended is not at fault: it is handed out again.
- Functions, tasks and results are pickled. A function may keep state in its worker between tasks.
- A task may run twice at once, since a machine that does not answer may still work. Functions
  therefore write whole files under names that do not collide, which the driver takes or leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Protocol

from yt360.devices import usable_cores
from yt360.execution.fork_server import fork_server
from yt360.execution.limits import Limits
from yt360.execution.local import Pool, WorkerPool, work

MAX_LOSSES = 5
"""Machines and jobs that may end under one task before the run stops."""


class Executor(Protocol):
    """Opens pools of workers on an engine."""

    @property
    def default_workers(self) -> int:
        """Number of workers if the user gives none, at least 1."""

    def pool(self, workers: int, limits: Limits | None = None) -> AbstractContextManager[Pool]:
        """Return a pool, to be used as a context manager; its workers end with the block.

        Args:
            workers: Number of worker processes, at least 1.
            limits: Limits of each; None for no limits.

        Raises:
            UserError: The engine is not installed, or does not answer.
        """


class LocalExecutor:
    """Runs workers on this machine."""

    @property
    def default_workers(self) -> int:
        """Number of usable cores."""
        return usable_cores()

    pool = WorkerPool


def limited_pools(executor: Executor) -> Callable[[int], AbstractContextManager[Pool]]:
    """Return a function from a number of workers to a pool for tasks that read untrusted files."""
    return partial(executor.pool, limits=Limits())


@contextmanager
def forked_pools(
    executor: Executor, modules: Sequence[str]
) -> Iterator[Callable[[int], AbstractContextManager[Pool]]]:
    """Provide `limited_pools`; on this machine, its workers are forked if possible.

    They then share the modules that this process has imported at the beginning of the block.

    Args:
        executor: The engine.
        modules: Modules that the workers need besides.
    """
    server = fork_server(work, modules) if isinstance(executor, LocalExecutor) else None
    if server is None:
        yield limited_pools(executor)
        return
    with closing(server):
        yield partial(WorkerPool, limits=Limits(), server=server)


def workers_of(executor: Executor, given: int | None, here: int) -> int:
    """Return the number of workers of a command.

    Args:
        executor: The engine.
        given: The user's number; None if there is none.
        here: Default on this machine.
    """
    if given is not None:
        return given
    return here if isinstance(executor, LocalExecutor) else executor.default_workers
