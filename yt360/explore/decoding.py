"""Processes that decode the media of clips for the page.

Media may be damaged or hostile, and decoders are native code. A crash ends one of these processes
and costs one picture, not the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import LifoQueue
from types import TracebackType
from typing import ParamSpec, TypeVar

from yt360.errors import BadItem
from yt360.execution.isolation import IsolatedProcess
from yt360.execution.local import WorkerPool, limited_pool

P = ParamSpec("P")
Result = TypeVar("Result")
KILL_EVERY_S = 0.02


class Decoding:
    """A few processes for calls from many threads; each starts when it is needed.

    Args:
        processes: Number of processes.
        make_pool: Returns a pool of one worker.
    """

    def __init__(
        self, processes: int = 2, make_pool: Callable[[int], WorkerPool] = limited_pool
    ) -> None:
        self._pools = [make_pool(1) for _ in range(processes)]
        self._all = [_process_of(pool) for pool in self._pools]
        self._idle: LifoQueue[IsolatedProcess] = LifoQueue()  # the last one used is warm
        for process in reversed(self._all):
            self._idle.put(process)
        self._stopped = False

    def __enter__(self) -> Decoding:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._all:
            process.__exit__(kind, error, trace)

    @property
    def is_idle(self) -> bool:
        """Whether no call is in progress."""
        return self._idle.qsize() == len(self._all)

    def stop(self) -> None:
        """Let calls in progress and later ones fail, so that threads that wait for them end.

        Returns when no call is in progress.
        """
        self._stopped = True
        while not self.is_idle:
            for pool in self._pools:
                pool.kill()
            time.sleep(KILL_EVERY_S)  # a call that has just begun may start a process now

    def call(
        self, item: str, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Return ``function(*args, **kwargs)``, called in one of the processes, when one is idle.

        Raises:
            BadItem: See `yt360.execution.isolation.IsolatedProcess.call`; ``"stopped"`` after
                `stop`.
        """
        process = self._idle.get()
        try:
            if self._stopped:
                raise BadItem("stopped", f"{item}: the server is stopping")
            return process.call(item, function, *args, **kwargs)
        finally:
            self._idle.put(process)


def _process_of(pool: WorkerPool) -> IsolatedProcess:
    return IsolatedProcess(lambda _: pool)
