"""A pool of worker processes in which a crash affects one task and not the whole run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from yt360.execution.fork_server import ForkedProcess, ForkServer
from yt360.execution.limits import OUT_OF_TIME, Limits
from yt360.execution.parent import FROM_TERMINAL, exit_with_parent, terminal_blocked
from yt360.plugins import load_plugins, loaded_plugins
from yt360.terminal.output import guard

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Crashed:
    """The result of a task whose process crashed or exceeded its time limit.

    Attributes:
        exit_code: Exit code in `multiprocessing`; negative for the signal that killed the process.
        process: Description of the process for messages.
    """

    exit_code: int | None
    process: str = "a worker process"

    @property
    def reason(self) -> str:
        """``"timeout"`` if the process exceeded its time limit, otherwise ``"crash"``."""
        return "timeout" if self.exit_code in OUT_OF_TIME else "crash"

    def describe(self) -> str:
        """Return a one-sentence description."""
        if self.reason == "timeout":
            return f"{self.process} took too long with it and was stopped"
        names = {-each: f", {each.name}" for each in signal.Signals}
        name = names.get(self.exit_code or 0, "")
        return f"{self.process} died of it (exit code {self.exit_code}{name})"


@dataclass
class _Worker(Generic[Task]):
    process: BaseProcess | ForkedProcess
    connection: Connection
    task: Task | None = None


class Pool(Protocol):
    """A pool that runs tasks; see `WorkerPool`."""

    def run(
        self, function: Callable[[Task], Result], tasks: deque[Task]
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """Yield (task, result) as tasks complete, in any order."""


class WorkerPool:
    """Worker processes that call one function with many tasks.

    Unlike in `concurrent.futures`, a worker that crashes is replaced and the run continues, and
    workers end when their parent process ends, even if it is killed.

    Use it as a context manager. Functions, tasks and results must be picklable.

    Args:
        workers: Number of processes, at least 1.
        limits: Limits of each worker; None for no limits.
        server: Forks the workers, by `work`; None to start new interpreters. If it ends, the next
            workers are new interpreters.
    """

    # Spawn instead of fork: a child must not inherit the state of locks and libraries.
    context: ClassVar[SpawnContext | ForkContext] = multiprocessing.get_context("spawn")

    def __init__(
        self, workers: int, limits: Limits | None = None, server: ForkServer | None = None
    ) -> None:
        self.workers, self.limits = workers, limits
        self._server = server
        self._alive: list[_Worker[Any]] = []
        # Linux ends a worker when the thread that started it ends (`exit_with_parent`). Therefore
        # a thread of the pool starts all workers, not the thread that happens to need the first.
        self._starter = ThreadPoolExecutor(1)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._starter.shutdown()
        for worker in self._alive:
            worker.connection.close()
            worker.process.kill()
        for worker in self._alive:
            worker.process.join()

    def kill(self) -> None:
        """Kill the workers, from any thread; tasks in progress end as `Crashed`."""
        for worker in list(self._alive):
            worker.process.kill()

    def run(
        self, function: Callable[[Task], Result], tasks: deque[Task]
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """Yield (task, result) as tasks complete, in any order.

        Args:
            function: Called with each task.
            tasks: Taken from the left when a worker is free; tasks may be added during the run.

        Raises:
            Exception: The first exception that `function` raises.
        """
        while True:
            self._assign_tasks(function, tasks)
            busy = {worker.connection: worker for worker in self._alive if worker.task is not None}
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                task: Any = worker.task
                worker.task = None
                yield task, self._receive(worker)

    def _assign_tasks(self, function: Callable[[Task], Result], tasks: deque[Task]) -> None:
        idle = [worker for worker in self._alive if worker.task is None]
        while tasks and (idle or len(self._alive) < self.workers):
            is_new = not idle
            worker = self._starter.submit(self._start).result() if is_new else idle.pop()
            task = tasks.popleft()
            try:
                worker.connection.send((function, task))
            except OSError:
                if not is_new:  # the worker crashed while idle, so no task is at fault
                    self._remove(worker)
                    tasks.appendleft(task)
                    continue
            worker.task = task  # a new worker that has crashed sends no result: see `_receive`

    def _start(self) -> _Worker[Any]:
        parent_end, child_end = self.context.Pipe()
        process = self._start_process(child_end)
        child_end.close()  # otherwise the pipe would stay open after the worker ends
        worker: _Worker[Any] = _Worker(process, parent_end)
        self._alive.append(worker)
        return worker

    def _start_process(self, connection: Connection) -> BaseProcess | ForkedProcess:
        arguments = self.limits, loaded_plugins()
        if self._server is not None:
            with suppress(OSError):  # it has ended
                return self._server.start(connection, *arguments)
        process = self.context.Process(
            target=work, args=(connection, os.getpid(), *arguments), daemon=True
        )
        with interrupt_blocked():
            process.start()
        return process

    def _receive(self, worker: _Worker[Any]) -> Any:
        try:
            succeeded, value = worker.connection.recv()
        except (EOFError, OSError):  # no result, or an incomplete one
            return Crashed(self._remove(worker))
        if not succeeded:
            raise value
        return value

    def _remove(self, worker: _Worker[Any]) -> int | None:
        """Remove a worker that ended; return its exit code."""
        worker.process.join()
        worker.connection.close()
        self._alive.remove(worker)
        return worker.process.exitcode


@contextmanager
def interrupt_blocked() -> Iterator[None]:
    """Block SIGINT and SIGHUP while a process starts, so that they do not interrupt its imports."""
    resource_tracker.ensure_running()  # starting it with the process would unblock SIGINT
    with terminal_blocked():
        yield


def limited_pool(workers: int) -> WorkerPool:
    """Return a pool for tasks that read untrusted files."""
    return WorkerPool(workers, Limits())


def work(
    connection: Connection, parent: int, limits: Limits | None, plugins: tuple[str, ...]
) -> None:
    """Run the tasks of a pool in a worker process.

    Args:
        connection: Connection to the pool.
        parent: Process ID of the parent process.
        limits: Limits of the process; None for no limits.
        plugins: Modules to load as plugins.
    """
    exit_with_parent(parent)
    if limits is not None:
        limits.limit_memory()
    guard()
    for number in FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FROM_TERMINAL)
    multiprocessing.current_process().daemon = False  # allow it to start worker processes
    load_plugins(plugins)
    _serve(connection, limits)


def _serve(connection: Connection, limits: Limits | None = None) -> None:
    """Run the tasks that arrive over a connection until the other end is closed."""
    with suppress(EOFError, ConnectionError):
        while True:
            function, task = connection.recv()
            try:
                with limits.one_task() if limits is not None else nullcontext():
                    reply = ForkingPickler.dumps((True, function(task)))
            except Exception as error:
                reply = pickled_error(error)
            connection.send_bytes(reply)


def pickled_error(error: Exception) -> memoryview:
    """Return the pickled reply for an error; an unpicklable error becomes a RuntimeError."""
    try:
        reply = ForkingPickler.dumps((False, error))
        ForkingPickler.loads(reply)
    except Exception:
        text = "".join(traceback.format_exception(error))
        reply = ForkingPickler.dumps((False, RuntimeError(f"in a worker process:\n{text}")))
    return reply
