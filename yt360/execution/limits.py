"""Limits of processor time, time and memory, which hold whatever native code does.

A decoder that hangs runs no Python any more, and may hold the lock without which no thread of
Python runs: nothing inside the process can stop it. The kernel can. It ends the process as a whole,
and whoever started it sees of which signal it died.

Processor time is what counts: it stands still while a slow disk is waited for. The limit of time is
ten times as long; it ends threads that wait for each other.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CPU_S = 60.0
"""Seconds of processor time for any task ..."""
CPU_S_PER_MB = 60.0
"""... and for each megabyte of the files that it opens."""
TIME_PER_CPU_TIME = 10.0
MEMORY_BYTES = (8 << 30) + (64 << 20) * (os.cpu_count() or 1)
"""Memory of a process; threads, of which libraries start one a core, have buffers of their own.

Decoding and inspecting 8K video takes 1 GB."""
MAX_PIXELS = 1 << 27
"""Largest frame that is decoded (16K by 8K), because a few hostile bytes can declare any size."""
OUT_OF_TIME = frozenset({-signal.SIGALRM, -signal.SIGPROF, -signal.SIGXCPU})
"""Exit codes, as `multiprocessing` gives them, of processes that took too long."""

_opened: set[str] | None = None
"""Files that the task under way has time for; None outside of tasks."""


@dataclass(frozen=True)
class Limits:
    """What a worker process may use.

    Attributes:
        time_s: Time of a task, in seconds; None limits its processor time, by the files that it
            opens (see `allow_time`).
        cpu_s: Processor time of a task, in seconds, before it opens files.
        memory_bytes: Private memory of the process, and of each one that it starts; None for any.
    """

    time_s: float | None = None
    cpu_s: float = CPU_S
    memory_bytes: int | None = MEMORY_BYTES

    def limit_memory(self) -> None:
        """Limit the memory of this process; allocations beyond fail."""
        if self.memory_bytes is not None:
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            unlimited = most == resource.RLIM_INFINITY
            limit = self.memory_bytes if unlimited else min(self.memory_bytes, most)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, most))

    @contextmanager
    def one_task(self) -> Iterator[None]:
        """End this process, at once and without cleaning up, when the block takes too long.

        For processes of their own, whose death somebody watches.
        """
        global _opened
        if self.time_s is None:
            _opened = set()
            signal.setitimer(signal.ITIMER_PROF, self.cpu_s)
            signal.setitimer(signal.ITIMER_REAL, self.cpu_s * TIME_PER_CPU_TIME)
        else:
            signal.setitimer(signal.ITIMER_REAL, self.time_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            _opened = None


def cpu_limit_s(size_bytes: int) -> float:
    """Return how much processor time work on a file of a size may take, in seconds."""
    return CPU_S + CPU_S_PER_MB * size_bytes / 1e6


def allow_time(name: str, size_bytes: int) -> None:
    """Give the task under way more time, since it opens a file; once for each file."""
    if _opened is None or name in _opened:
        return
    _opened.add(name)
    extra_s = cpu_limit_s(size_bytes) - CPU_S
    for timer, seconds in (
        (signal.ITIMER_PROF, extra_s),
        (signal.ITIMER_REAL, extra_s * TIME_PER_CPU_TIME),
    ):
        left_s, _ = signal.getitimer(timer)
        signal.setitimer(timer, left_s + seconds)
