"""Many inputs in a child process, which is replaced when it hangs or dies."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

from fuzzing.door import Door
from fuzzing.trial import FAULTS, Place, Result, limit_memory, try_input

_START_S = 120.0  # for imports
GRACE_S = 5.0  # code in C does not see the alarm; after this the process is killed


@dataclass
class Report:
    """The outcomes of the inputs of one door."""

    door: str
    inputs: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    peak_mb: float = 0.0
    seconds: float = 0.0
    slowest_s: float = 0.0
    faults: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result."""
        self.inputs += 1
        self.counts[result.verdict] = self.counts.get(result.verdict, 0) + 1
        self.peak_mb = max(self.peak_mb, result.peak_mb)
        self.slowest_s = max(self.slowest_s, result.seconds)
        if result.verdict in FAULTS:
            self.faults.append(result)


def fuzz(
    door: Door,
    seed: int,
    numbers: Iterable[int],
    see: Callable[[Result], None] = lambda _: None,
) -> Report:
    """Try inputs of a door and return the outcomes.

    Args:
        door: The door.
        seed: Together with the number of an input it determines the input.
        numbers: Which inputs.
        see: Called with each result.
    """
    door.valid()  # once, here, with the imports that it needs: children are forked off this
    report, started = Report(door.name), time.monotonic()
    left = list(numbers)
    while left:
        for result in _results_of_one_child(door, seed, left):
            see(result)
            report.add(result)
            left = left[1:]
    report.seconds = time.monotonic() - started
    return report


def _results_of_one_child(door: Door, seed: int, numbers: list[int]) -> Iterator[Result]:
    """Yield the results of a child process until it is through, hangs or dies."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_fast_folder()) as folder:
        child = context.Process(target=_serve, args=(door, seed, numbers, theirs, Path(folder)))
        gc.freeze()  # what is there already need not be searched, nor copied, in the child
        child.start()
        theirs.close()
        try:
            _wait_until_ready(door, ours)
            for number in numbers:
                if not ours.poll(door.limit_s + GRACE_S):
                    yield Result(number, "hang", "does not even see an alarm", door.limit_s, 0.0)
                    return
                try:
                    result: Result = ours.recv()
                except EOFError:
                    child.join()
                    yield Result(number, "crash", _end_of(child.exitcode), 0.0, 0.0)
                    return
                yield result
                if result.verdict in ("hang", "memory"):
                    return  # whatever it left behind is not the next input's fault
        finally:
            if child.pid is not None and child.is_alive():
                os.killpg(child.pid, signal.SIGKILL)
            child.join()


def _fast_folder() -> str | None:
    """Return a folder in memory, where there is one: inputs are many and small."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _wait_until_ready(door: Door, results: Connection) -> None:
    try:
        if results.poll(_START_S):
            results.recv()
            return
    except EOFError:
        pass
    raise RuntimeError(f"{door.name}: the valid inputs cannot be read")


def _serve(door: Door, seed: int, numbers: list[int], results: Connection, folder: Path) -> None:
    os.setpgid(0, 0)  # killed together with what it starts
    faulthandler.disable()
    sys.dont_write_bytecode = True
    os.chdir(folder)
    place = Place(folder.resolve())
    with tempfile.TemporaryFile() as quiet:  # what C libraries print
        os.dup2(quiet.fileno(), 1)
        os.dup2(quiet.fileno(), 2)
    for valid in door.valid():  # imports what is needed, too
        try_input(replace(door, limit_s=_START_S), place, -1, valid)
    limit_memory()
    results.send(None)  # ready
    for count, number in enumerate(numbers):
        results.send(try_input(door, place, number, door.input(seed, number)))
        if count % 100 == 99:
            gc.collect()
    results.close()
    os._exit(0)


def _end_of(code: int | None) -> str:
    names = {-each: each.name for each in signal.Signals}
    return f"the process ended with {names.get(code or 0, code)}"
