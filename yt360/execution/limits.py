"""Limits of CPU time, wall time and memory, which also hold for native code.

A decoder that hangs executes no Python code and may hold the global interpreter lock, so nothing
inside the process can stop it. Therefore the kernel enforces the limits: it ends the whole process
with a signal, which the parent process sees.

The main limit is on CPU time, which does not include waiting for a slow disk. The limit of wall
time is ten times as long; it ends deadlocks.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CPU_S = 60.0
"""Base CPU time of a task in seconds."""
CPU_S_PER_MB = 60.0
"""Additional CPU time per megabyte of the files that the task opens."""
TIME_PER_CPU_TIME = 10.0
MEMORY_BYTES = (8 << 30) + (64 << 20) * (os.cpu_count() or 1)
"""Memory of a process. Libraries start one thread per core, and each has its own buffers.

Decoding and inspecting 8K video takes 1 GB."""
MAX_PIXELS = 1 << 27
"""Maximum size of a decoded frame (16K by 8K), since a file can declare any size."""
OUT_OF_TIME = frozenset({-signal.SIGALRM, -signal.SIGPROF, -signal.SIGXCPU})
"""Exit codes in `multiprocessing` of processes that exceeded a time limit."""

_opened: set[str] | None = None
"""Files whose size extended the time of the current task; None outside tasks."""


@dataclass(frozen=True)
class Limits:
    """Limits of a worker process.

    Attributes:
        time_s: Wall time of a task in seconds; None limits its CPU time instead, depending on the
            files that it opens (see `allow_time`).
        cpu_s: CPU time of a task in seconds, before it opens files.
        memory_bytes: Private memory of the process and of each child process; None: unlimited.
    """

    time_s: float | None = None
    cpu_s: float = CPU_S
    memory_bytes: int | None = MEMORY_BYTES

    def limit_memory(self) -> None:
        """Limit the memory of this process; allocations beyond the limit fail."""
        if self.memory_bytes is not None:
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            unlimited = most == resource.RLIM_INFINITY
            limit = self.memory_bytes if unlimited else min(self.memory_bytes, most)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, most))

    @contextmanager
    def one_task(self) -> Iterator[None]:
        """End this process immediately, without cleanup, if the block exceeds the time limit.

        Only for worker processes that a parent process monitors.
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
    """Return the CPU time limit in seconds for a file of this size."""
    return CPU_S + CPU_S_PER_MB * size_bytes / 1e6


def allow_time(name: str, size_bytes: int) -> None:
    """Extend the time limit of the current task for an opened file, once per file."""
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
