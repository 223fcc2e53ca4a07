"""A process in which the client library of an engine runs, apart from the command.

The process prints nothing, and when it dies with its cluster, the command says so in one line.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, TypeVar

from yt360.errors import UserError
from yt360.execution.local import Crashed, Pool, WorkerPool, interrupt_blocked, pickled_error
from yt360.execution.parent import FROM_TERMINAL, exit_with_parent
from yt360.execution.remote_worker import result_of
from yt360.plugins import load_plugins, loaded_plugins

Task = TypeVar("Task")
Result = TypeVar("Result")
END_S = 20.0
"""Time in seconds that the process has to end its workers."""


class Bridge:
    """A pool in another process; the block of the context manager begins when it is open.

    Args:
        opening: Returns the pool; it is called in the process, and pickled.
        workers: Number of tasks that the pool gets at once.
        what: Description of the engine for messages.
    """

    def __init__(
        self, opening: Callable[[], AbstractContextManager[Pool]], workers: int, what: str
    ) -> None:
        self._workers, self._what = workers, what
        self._under_way: dict[int, Any] = {}
        self._number = 0
        ours, theirs = WorkerPool.context.Pipe()
        self._connection = ours
        arguments = theirs, ours, os.getpid(), opening, loaded_plugins()
        self._process = WorkerPool.context.Process(target=_serve, args=arguments, daemon=True)
        with interrupt_blocked():
            self._process.start()
        theirs.close()

    def __enter__(self) -> Bridge:
        """Wait until the pool is open.

        Raises:
            UserError: The engine does not answer.
        """
        try:
            self._receive()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ConnectionError):
            self._connection.send(None)
        self._connection.close()
        self._process.join(END_S)
        self._process.kill()
        self._process.join()

    def run(
        self, function: Callable[[Task], Result], tasks: deque[Task]
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """See `yt360.execution.local.WorkerPool.run`.

        Raises:
            UserError: The engine does not answer any more.
        """
        while True:
            while tasks and len(self._under_way) < self._workers:
                self._number += 1
                self._under_way[self._number] = tasks.popleft()
                request = pickle.dumps((function, self._under_way[self._number]))
                self._send((self._number, request))
            if not self._under_way:
                return
            number, reply = self._receive()
            task = self._under_way.pop(number)
            yield task, reply if isinstance(reply, Crashed) else pickle.loads(reply)

    def _send(self, message: tuple[int, bytes]) -> None:
        with suppress(ConnectionError):  # `_receive` tells why the process ended
            self._connection.send(message)

    def _receive(self) -> tuple[int, Any]:
        try:
            number, reply = self._connection.recv()
        except (EOFError, ConnectionError):
            raise UserError(
                f"{self._what} does not answer any more; what is done is kept: run the same "
                "command again to continue",
                code="network",
                key="--executor",
            ) from None
        if number is None:
            result_of(reply)
        return number, reply


def _serve(
    connection: Connection,
    other_end: Connection,
    parent: int,
    opening: Callable[[], AbstractContextManager[Pool]],
    plugins: tuple[str, ...],
) -> None:
    """Run the tasks that arrive over a connection until the other end is closed."""
    exit_with_parent(parent)
    other_end.close()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FROM_TERMINAL)
    multiprocessing.current_process().daemon = False  # allow it to start processes
    tasks: deque[tuple[int, bytes]] = deque()
    arrived = threading.Event()
    with suppress(KeyboardInterrupt, ConnectionError):
        try:
            load_plugins(plugins)
            with opening() as pool:
                connection.send((0, None))
                reader = threading.Thread(
                    target=_read, args=(connection, tasks, arrived), daemon=True
                )
                reader.start()
                while True:
                    arrived.wait()
                    arrived.clear()
                    for (number, _), reply in pool.run(_call, tasks):
                        connection.send((number, reply))
        except Exception as error:
            connection.send((None, bytes(pickled_error(error))))


def _read(
    connection: Connection, tasks: deque[tuple[int, bytes]], arrived: threading.Event
) -> None:
    """Collect the tasks that arrive; interrupt the process when the other end is closed."""
    with suppress(EOFError, ConnectionError):
        while (task := connection.recv()) is not None:
            tasks.append(task)
            arrived.set()
    os.kill(os.getpid(), signal.SIGINT)


def _call(numbered: tuple[int, bytes]) -> bytes:
    """Run a pickled task in a worker; return the pickled result."""
    function, task = pickle.loads(numbered[1])
    return pickle.dumps(function(task))
