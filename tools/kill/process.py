"""Start commands and kill them at a given time."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from kill.launcher import children_of, command_of
from kill.stages import Stage

TOOLS = Path(__file__).parents[1]
LOOK_EVERY_S = 0.004
MOST_S = 240.0
FIRST_SIGNAL_S = 0.1
"""Python's own handlers are in place by then; before, any program dies of a signal."""
HOUR_S = 3600


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after the start, or after so many changes in the folder."""

    after_s: float
    after_changes: int = 0


@dataclass(frozen=True)
class Kill:
    """A kill.

    Attributes:
        signal: ``"SIGKILL"``, ``"SIGTERM"``, ``"SIGINT"``, or ``"SIGKILL of a child"``.
        moment: When.
        choice: Which child, from 0 to 1.
    """

    signal: str
    moment: Moment
    choice: float = 0.0

    def send(self, pid: int) -> bool:
        """Send the signal; return False when there is no such child (yet)."""
        with suppress(ProcessLookupError):
            if self.signal == "SIGINT":
                os.killpg(pid, signal.SIGINT)  # as a terminal does
            elif self.signal == "SIGKILL of a child":
                children = [each for each in children_of(pid) if "tracker" not in command_of(each)]
                if not children:
                    return False
                os.kill(children[int(self.choice * len(children))], signal.SIGKILL)
            else:
                os.kill(pid, signal.Signals[self.signal])
        return True


@dataclass(frozen=True)
class Run:
    """The outcome of a command.

    Attributes:
        code: Exit code, negative for a signal; None when it did not end.
        seconds: How long it ran.
        changes: Number of observed changes of files in its folder.
        landed: Whether the kill reached it while it ran.
        orphans: Command lines of processes that it left running.
        output: Its standard output.
        errors: Its standard error.
    """

    code: int | None
    seconds: float
    changes: int
    landed: bool
    orphans: list[str]
    output: str
    errors: str


class Launcher:
    """Starts commands in processes that have imported everything, see `launcher.py`.

    Args:
        youtube: Address where the commands find YouTube.
    """

    def __init__(self, youtube: str) -> None:
        self._youtube = youtube
        threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kill.launcher"],
            cwd=TOOLS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads},
        )
        self._answer()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run_words(self, command: tuple[str, ...], folder: Path) -> None:
        """Run a command that must succeed.

        Raises:
            RuntimeError: It fails.
        """
        run = self.run(Stage(name=command[1], command=command), folder)
        if run.code:
            raise RuntimeError(f"{' '.join(command)}: {run.errors}")

    def run(self, stage: Stage, folder: Path, kill: Kill | None = None) -> Run:
        """Start a stage's command, or go on with it, and wait for its end.

        What it prints goes to new files beside its folder.
        """
        number = len(list(folder.parent.glob(f"{folder.name}-*.out")))
        output, errors = (
            folder.with_name(f"{folder.name}-{number}.{end}") for end in ("out", "err")
        )
        for path in (output, errors):
            path.touch()  # a kill may come before the command opens them
        begin = time.monotonic()
        pid = self._ask(
            {
                "command": stage.next_command(folder),
                "environment": stage.environment,
                "folder": str(folder),
                "output": str(output),
                "errors": str(errors),
                "youtube": self._youtube,
            }
        )["pid"]
        changes, sent = self._watch(folder, pid, kill, begin)
        code = self._answer()["code"]
        seconds = time.monotonic() - begin
        landed = sent and kill is not None and (kill.signal.endswith("child") or code != 0)
        return Run(
            code=None if seconds > MOST_S else code,
            seconds=seconds,
            changes=changes,
            landed=landed,
            orphans=self._answer()["orphans"],
            output=output.read_text(errors="replace"),
            errors=errors.read_text(errors="replace"),
        )

    def _watch(self, folder: Path, pid: int, kill: Kill | None, begin: float) -> tuple[int, bool]:
        """Kill at the moment; return the changes that were seen, and whether a signal was sent."""
        before, changes, changed_at, sent = sizes_in(folder), 0, begin, False
        assert self._process.stdout is not None
        while not select.select([self._process.stdout], [], [], LOOK_EVERY_S)[0]:
            now = time.monotonic()
            looks = kill is None or kill.moment.after_changes > 0
            if looks and (sizes := sizes_in(folder)) != before:
                before, changed_at, changes = sizes, now, changes + 1
            if kill is not None and not sent:
                moment = kill.moment
                since = changed_at if moment.after_changes else begin
                if kill.signal in ("SIGTERM", "SIGINT") and now - begin < FIRST_SIGNAL_S:
                    continue
                if changes >= moment.after_changes and now - since >= moment.after_s:
                    sent = kill.send(pid)
            if now - begin > MOST_S:
                os.killpg(pid, signal.SIGKILL)
        return changes, sent

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):  # unbuffered, or `select` would miss what was read ahead
            block = os.read(self._process.stdout.fileno(), 1)
            if not block:
                raise RuntimeError("the launcher of commands ended; see its error above")
            line += block
        answer: dict[str, Any] = json.loads(line)
        return answer


def sizes_in(folder: Path) -> set[tuple[str, int]]:
    """Return path and size of every file and folder in a folder."""
    found = set()
    stack = [str(folder)]
    while stack:
        with suppress(FileNotFoundError), os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                    found.add((entry.path, 0))
                else:
                    with suppress(FileNotFoundError):
                        found.add((entry.path, entry.stat(follow_symlinks=False).st_size))
    return found


def let_time_pass(folder: Path) -> None:
    """Age leases and pauses of a killed command by an hour, so that they have expired."""
    for path in folder.rglob("*.catalog"):
        with (
            suppress(sqlite3.OperationalError),  # it was killed before it made the tables
            closing(sqlite3.connect(path)) as connection,
            connection,
        ):
            for table in ("videos", "listings"):
                connection.execute(f"UPDATE {table} SET due_at = 0")
    for path in folder.rglob(".*"):
        with suppress(FileNotFoundError):
            long_ago = path.stat().st_mtime - HOUR_S
            os.utime(path, (long_ago, long_ago))
