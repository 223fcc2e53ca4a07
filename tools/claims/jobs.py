"""Jobs: commands that are run once, several at a time, and skipped when they are done.

A job that has succeeded leaves ``done/NAME.json`` with its command and its time. It is skipped as
long as its command stays the same. The commands continue after an interruption themselves.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from yt360.files import write_json

DONE, LOGS = "done", "logs"


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        name: Name of its files; a slash makes a folder.
        command: Program and arguments.
        resume: Arguments that are added if `partial` exists.
        partial: File that an interrupted call leaves; None if the command needs no other arguments.
    """

    name: str
    command: tuple[str, ...]
    resume: tuple[str, ...] = ()
    partial: Path | None = None

    def arguments(self) -> list[str]:
        """Return the command for the state of the files."""
        begun = self.partial is not None and self.partial.exists()
        return [*self.command, *(self.resume if begun else ())]


Call = Callable[[Job, Path], int]
"""Runs a job whose output goes to a file; returns the exit status."""


def call(job: Job, log: Path) -> int:
    """Run a job in a process of its own, on one thread."""
    program, *arguments = job.arguments()
    quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with log.open("a", encoding="utf-8") as output:
        print(f"$ {shlex.join(job.arguments())}", file=output, flush=True)
        return subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            check=False, stdout=output, stderr=output,
            env={**os.environ, **quiet, "PYTHONPATH": _with_tools(os.environ.get("PYTHONPATH"))},
        ).returncode  # fmt: skip


def _with_tools(path: str | None) -> str:
    """Return a path of modules on which this tool is."""
    tools = str(Path(__file__).resolve().parents[1])
    return os.pathsep.join([tools, *([path] if path else [])])


@dataclass
class Runner:
    """Runs jobs, and remembers which are done.

    Attributes:
        out: Folder of everything.
        at_a_time: Jobs that run at the same time.
        call: Runs a job.
        clock: Time in seconds.
        say: Prints a line.
    """

    out: Path
    at_a_time: int = 2
    call: Call = call
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda line: print(line, flush=True)

    def run(
        self,
        part: str,
        jobs: Iterable[Job],
        at_a_time: int | None = None,
        again: bool = False,
    ) -> list[str]:
        """Run the jobs that are not done; a failure does not stop the others.

        Args:
            part: Name of the part, for the lines that are printed.
            jobs: The jobs.
            at_a_time: Jobs at the same time, if other than usual.
            again: Whether jobs that are done are repeated.

        Returns:
            Names of the jobs that failed.
        """
        jobs = list(jobs)
        missing = [job for job in jobs if again or not self.is_done(job)]
        self.say(f"{part}: {len(jobs)} jobs, {len(jobs) - len(missing)} done")
        workers = at_a_time or self.at_a_time
        progress = _Progress(part, len(missing), workers, self.clock, self.say)

        def run_one(job: Job) -> str | None:
            started = self.clock()
            log = self.log(job)
            log.parent.mkdir(parents=True, exist_ok=True)
            status = self.call(job, log)
            seconds = self.clock() - started
            if status == 0:
                self._mark(job, part, seconds + (0 if again else self._spent(job)))
                progress.finished(job.name, seconds)
                return None
            progress.finished(f"{job.name} failed with exit status {status}, see {log}", seconds)
            return job.name

        with ThreadPoolExecutor(workers) as pool:
            return [name for name in pool.map(run_one, missing) if name is not None]

    def is_done(self, job: Job) -> bool:
        """Return whether a job with this command has succeeded."""
        return self._marks(job).get("command") == list(job.command)

    def log(self, job: Job) -> Path:
        """Return the file of the output of a job."""
        return self.out / LOGS / f"{job.name}.txt"

    def _mark(self, job: Job, part: str, seconds: float) -> None:
        file = self.out / DONE / f"{job.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"part": part, "command": list(job.command), "seconds": round(seconds, 1)})

    def _spent(self, job: Job) -> float:
        """Return the seconds that earlier calls of a job took, whose results it may have used."""
        seconds = self._marks(job).get("seconds", 0)
        return seconds if isinstance(seconds, int | float) else 0

    def _marks(self, job: Job) -> Mapping[str, object]:
        try:
            found = json.loads((self.out / DONE / f"{job.name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def times(out: Path) -> dict[str, tuple[int, float]]:
    """Return the number of finished jobs and the sum of their seconds, by part."""
    found: dict[str, tuple[int, float]] = {}
    for file in sorted((out / DONE).rglob("*.json")):
        mark = json.loads(file.read_text(encoding="utf-8"))
        count, seconds = found.get(mark["part"], (0, 0.0))
        found[mark["part"]] = (count + 1, seconds + mark["seconds"])
    return found


@dataclass
class _Progress:
    """Prints a line for each finished job, with the time that is left."""

    part: str
    total: int
    workers: int
    clock: Callable[[], float]
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._seconds: list[float] = []

    def finished(self, text: str, seconds: float) -> None:
        """Print a line."""
        with self._lock:
            self._seconds.append(seconds)
            done = len(self._seconds)
            mean_s = sum(self._seconds) / done
            left_s = mean_s * (self.total - done) / min(self.workers, max(self.total - done, 1))
            left = f", about {duration(left_s)} left" if done < self.total else ""
            self.say(f"{self.part} {done}/{self.total}: {text} ({duration(seconds)}){left}")


def duration(seconds: float) -> str:
    """Return a duration as text: ``45 s``, ``12 min`` or ``3.1 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def stop_at_failures(failed: Sequence[str]) -> None:
    """Exit if jobs have failed."""
    if failed:
        sys.exit(f"{len(failed)} jobs failed: {', '.join(failed)}")
