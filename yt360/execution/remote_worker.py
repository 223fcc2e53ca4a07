"""A worker on another machine: a process of the engine that holds one local worker process.

The engine's own process never runs a task. Therefore a crash of native code, a limit of time and a
limit of memory have the same results as on one machine.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from yt360.execution.limits import Limits
from yt360.execution.local import WorkerPool, pickled_error
from yt360.plugins import load_plugins


class RemoteWorker:
    """Runs pickled tasks in one worker process, which is replaced if it crashes.

    Args:
        limits: Limits of the worker process; None for no limits.
        plugins: Modules that the driver has loaded as plugins.
        folder: Working folder, for relative paths; if it is not on this machine, these fail.
    """

    def __init__(
        self, limits: Limits | None, plugins: Sequence[str] = (), folder: str | None = None
    ) -> None:
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)
        load_plugins(plugins)  # the pool has its workers load them
        self._pool = WorkerPool(1, limits).__enter__()

    def close(self) -> None:
        """End the worker process."""
        self._pool.__exit__(None, None, None)

    def ready(self) -> bool:
        """Return True: the worker has started."""
        return True

    def call(self, request: bytes) -> bytes:
        """Run a task of `pickled_task`; return the reply for `result_of`."""
        function, task = pickle.loads(request)
        try:
            ((_, result),) = self._pool.run(function, deque([task]))
            return pickle.dumps((True, result))
        except Exception as error:
            return bytes(pickled_error(error))


def pickled_task(function: Callable[[Any], Any], task: Any) -> bytes:
    """Return a task as bytes, whose classes need not be importable by the engine."""
    return pickle.dumps((function, task))


def result_of(reply: bytes) -> Any:
    """Return the result in a reply of `RemoteWorker.call`.

    Raises:
        Exception: What the function raised.
    """
    succeeded, value = pickle.loads(reply)
    if not succeeded:
        raise value
    return value
