"""Meters: run a way with some inputs, and return its mean cost."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

Way: TypeAlias = Callable[[int], Any]
Meter: TypeAlias = Callable[[Way, range], float]


def cpu_ms(way: Way, numbers: range) -> float:
    """Return milliseconds of CPU time of this process and of its descendants (Linux)."""
    children_before = _children_cpu_s()
    own = process_ms(way, numbers)
    return own + 1e3 * (_children_cpu_s() - children_before) / len(numbers)


def process_ms(way: Way, numbers: range) -> float:
    """Return milliseconds of CPU time of this process alone."""
    return _mean_ms(way, numbers, time.process_time)


def wall_ms(way: Way, numbers: range) -> float:
    """Return milliseconds by the clock."""
    return _mean_ms(way, numbers, time.perf_counter)


def per_sample(meter: Meter, samples: int) -> Meter:
    """Return a meter for ways that handle so many samples at each input."""
    return lambda way, numbers: meter(way, numbers) / samples


def each_of(way: Way, samples: int) -> Way:
    """Return a way that handles `samples` inputs of another at each input."""

    def run(number: int) -> None:
        for sample in range(number * samples, (number + 1) * samples):
            way(sample)

    return run


def result(way: Way, numbers: range) -> float:
    """Return the mean of what the way returns, which has measured itself."""
    return statistics.mean(float(way(number)) for number in numbers)


def _mean_ms(way: Way, numbers: range, clock: Callable[[], float]) -> float:
    started = clock()
    for number in numbers:
        way(number)
    return 1e3 * (clock() - started) / len(numbers)


def _children_cpu_s() -> float:
    """Return the seconds that descendants have computed, those that have ended included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(map(_threads_cpu_s, _descendants()))


def _descendants() -> list[int]:
    """Return the ids of all processes below this one."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name of the program, in parentheses, may hold anything.
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(folder.name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _threads_cpu_s(process: int) -> float:
    """Return the seconds that the threads of a process have computed."""
    spent_ns = 0
    for file in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError):
            spent_ns += int(file.read_text().split()[0])
    return spent_ns / 1e9
