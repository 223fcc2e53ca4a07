"""Read one input and classify the outcome, in a child process.

What a trial may do is watched by an audit hook: Python tells it of every file that is opened,
removed or renamed, of programs that are started and of addresses that are connected to. What C code
does by itself the hook does not see, so the folders around the trial are compared, too.
"""

from __future__ import annotations

import io
import ipaddress
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from fuzzing.door import Door, Files, Refused, Unclear, write_files
from yt360.execution.limits import Limits
from yt360.terminal.text import printable, shortened

Verdict = Literal[
    "accepted", "refused", "traceback", "hang", "memory", "crash", "outside", "unclear"
]
FAULTS: tuple[Verdict, ...] = ("traceback", "hang", "memory", "crash", "outside", "unclear")
"""Outcomes that count as faults.

traceback: an exception that is no refusal. hang: longer than the limit. memory: more than the
limit, or refused only because memory ran out. crash: the process died. outside: a file outside of
the trial's folder was written or removed, a program started, or another host asked. unclear: a
refusal without a word, or a command printed control characters or a very long error.
"""
_BLOCKS_MB = 4096  # beyond what is there before a trial: no trial may endanger the machine
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.setxattr": ((0, None),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
}
"""Audit event -> positions of each path among its arguments, and of the folder's descriptor."""
_OF_NAMES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}
"""Those that change a name; where it is a link, what it leads to stays."""
_STARTING = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pty.spawn"}


@dataclass(frozen=True)
class Result:
    """The outcome of one input.

    Attributes:
        detail: The refusal's line, or what the fault was.
        peak_mb: Most memory that the process had beyond what it had before.
    """

    number: int
    verdict: Verdict
    detail: str
    seconds: float
    peak_mb: float


class Hang(BaseException):
    """The time is up; nothing that the product catches."""


class Place:
    """The folders of the trials: ``work`` for the input, ``home`` for caches, and a ``victim``.

    Args:
        root: An empty folder.
        may_start: Whether programs may be started: a door that isolates its work does.
    """

    def __init__(self, root: Path, may_start: bool = True) -> None:
        self.root = root
        self.work, self.home, self.victim = (root / name for name in ("work", "home", "victim"))
        self.may_start = may_start
        self.broken: list[str] = []
        self._watching = False
        for folder in (self.work, self.home, self.victim):
            folder.mkdir()
        (self.victim / "file").write_text("not yours")
        self._surroundings = self._look_around()
        tempfile.tempdir = str(self.home)
        os.environ |= {
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "AVSA_CACHE": f"{self.home}/c",
        }
        sys.addaudithook(self._on_event)

    def fill(self, files: Files) -> None:
        """Put an input into the emptied working folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        write_files(self.work, files)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note in `broken` what the block does outside of `work` and `home`."""
        self.broken.clear()
        self._watching = True
        try:
            yield
        finally:
            self._watching = False
        now = self._look_around()
        if now != self._surroundings:
            self.broken.append(
                f"changed: {sorted(map(str, now.symmetric_difference(self._surroundings)))}"
            )
            self._surroundings = now

    def _look_around(self) -> set[tuple[str, int]]:
        beside = {(each.name, 0) for each in self.root.iterdir()}
        return beside | {(path.name, path.stat().st_size) for path in self.victim.rglob("*")}

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING and isinstance(path, str | bytes):
                self._require_inside(event, path)
        elif event in _CHANGING:
            for path, folder in _CHANGING[event]:
                at = None if folder is None else arguments[folder]
                self._require_inside(event, arguments[path], at)
        elif event in _STARTING and not self.may_start:
            self.broken.append(f"{event} {arguments[0]}")
        elif event == "socket.connect":
            self._require_loopback(arguments[1])

    def _require_inside(self, event: str, path: Any, folder: int | None = None) -> None:
        start = Path() if folder in (None, -1) else Path(f"/proc/self/fd/{folder}")
        named = f"/proc/self/fd/{path}" if isinstance(path, int) else os.fsdecode(path)
        given = start / named
        if event in _OF_NAMES:
            real = str(Path(os.path.realpath(given.parent), given.name))
        else:
            real = os.path.realpath(given)
        # Linux names memory that is no file (`os.memfd_create`) like this.
        allowed = (f"{self.work}", f"{self.home}", "/dev/null", "/proc/", "/memfd:")
        if not real.startswith(allowed):
            self.broken.append(f"{event} {real}")

    def _require_loopback(self, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        try:
            fine = not host or ipaddress.ip_address(host).is_loopback
        except ValueError:
            fine = host == "localhost"
        if not fine:
            self.broken.append(f"connected to {host}")


def try_input(door: Door, place: Place, number: int, files: Files) -> Result:
    """Read an input and classify the outcome."""
    place.fill(files)
    before_mb = _peak_mb(reset=True)
    started = time.perf_counter()
    verdict, detail = _read(door, place)
    seconds, peak_mb = time.perf_counter() - started, max(_peak_mb() - before_mb, 0.0)
    if verdict != "hang" and place.broken:
        verdict, detail = "outside", "; ".join(place.broken)
    elif verdict in ("accepted", "refused") and peak_mb > door.limit_mb:
        verdict, detail = "memory", f"{peak_mb:.0f} MB; {detail}"
    return Result(number, verdict, detail, seconds, peak_mb)


def limit_memory() -> None:
    """Limit the memory that this process may allocate from now on."""
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    most = used + (_BLOCKS_MB << 20)
    Limits(memory_bytes=most).limit_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(door: Door, place: Place) -> tuple[Verdict, str]:
    signal.signal(signal.SIGALRM, _time_is_up)
    refusals: tuple[type[BaseException], ...] = (Refused, *door.refusals)
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        signal.setitimer(signal.ITIMER_REAL, door.limit_s)
        try:
            with place.watched(), redirect_stdout(output), redirect_stderr(output):
                door.read(place.work)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Hang:
        return "hang", f"longer than {door.limit_s:g} s"
    except Unclear as error:
        return "unclear", _line(error)
    except refusals as error:
        if any(isinstance(each, MemoryError) for each in _contexts(error)):
            return "memory", f"refused only because memory ran out: {_line(error)}"
        return _judge_line(error)
    except MemoryError as error:
        return "memory", _line(error)
    except Exception as error:
        return "traceback", f"{_line(error)} @ {_where(error)}"
    return "accepted", ""


def _time_is_up(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise Hang


def _judge_line(error: BaseException) -> tuple[Verdict, str]:
    line = printable(shortened(" ".join(str(error).split())))
    return ("refused", line) if line else ("unclear", f"{type(error).__name__} without a word")


def _contexts(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__context__


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {ascii(str(error))[1:-1][:300]}"


def _where(error: BaseException) -> str:
    """Return the last places of our own code in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/yt360/" in f.filename or "/avsa/" in f.filename]
    shown = ours[-2:] or frames[-1:]
    return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in shown)


def _peak_mb(reset: bool = False) -> float:
    """Return the most memory since the last reset (Linux; elsewhere since the start)."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
