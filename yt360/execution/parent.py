"""What a worker process has to do with its parent process and with their terminal."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGHUP})
"""Signals that a terminal sends to all its processes; the parent process handles them."""
_PR_SET_PDEATHSIG = 1


@contextmanager
def terminal_blocked() -> Iterator[None]:
    """Block SIGINT and SIGHUP while a process starts, so that they do not interrupt its imports."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def exit_with_parent(parent: int) -> None:
    """End this process when its parent process ends; `parent` is the expected parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the call above
        os._exit(1)
