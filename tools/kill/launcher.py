"""A process that forks commands of `yt360` and `avsa`, for `tools/kill`.

Python takes seconds to import torch; a kill meanwhile tests nothing. This process imports
everything once and forks itself for each command, so that kills hit the command's work. Processes
that a command leaves behind become children of this one, which waits for them.

Each line of the input is a request in JSON; each line of the output is an answer: ``{"pid": ...}``
when a command has started, ``{"code": ..., "orphans": [...]}`` when it has ended.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

MODULES = (
    "avsa.cli",
    "avsa.evals.features",
    "avsa.hub.export",
    "avsa.hub.load",
    "avsa.preview.sheet",
    "avsa.training.loop",
    "fake_youtube",
    "yt360.catalog.lists.yt360_lists",
    "yt360.cli",
    "yt360.crawl.download.run",
    "yt360.crawl.search.run",
    "yt360.execution.isolation",
    "yt360.labels.pseudolabel",
    "yt360.labels.yt360_maps",
    "yt360.labels.segmenters.panoptic_fpn",
    "yt360.labels.segmenters.truth",
    "yt360.quality.catalog_run",
    "yt360.quality.report.catalog_report",
    "yt360.scenes.write",
    "yt360.shards.builder.build",
    "yt360.stats.catalog_counts",
    "yt360.stats.dataset_counts",
)
ORPHANS_END_S = 5.0
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Answer requests until the input ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    for name in MODULES:
        import_module(name)
    if threading.active_count() != 1:
        raise RuntimeError("a module started a thread, which a fork would not copy")
    answers = os.dup(1)
    os.set_inheritable(answers, False)
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(answers)
            _run(json.loads(line))
        _answer(answers, {"pid": pid})
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        _answer(answers, {"code": code})
        _answer(answers, {"orphans": _end_orphans()})


def _answer(descriptor: int, value: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(value).encode() + b"\n")


def _run(request: dict[str, Any]) -> None:
    """Become the command, and end with its exit code."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "output"), (2, "errors")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["youtube"]:
        from fake_youtube import send_to

        from yt360.crawl.youtube.client import YoutubeClient

        YoutubeClient.send = send_to(request["youtube"])  # type: ignore[method-assign, assignment]
    sys.argv = request["command"]
    code = 0
    try:
        import_module(f"{sys.argv[0]}.cli").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
        code = 1
    # As Python ends, but without freeing each object, which takes seconds after a fork.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_orphans() -> list[str]:
    """Wait for what the command left running; kill what does not end and return its names."""
    deadline = time.monotonic() + ORPHANS_END_S
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(0.005)
    orphans = []
    while children := children_of(os.getpid()):
        for pid in children:
            orphans.append(command_of(pid))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return orphans


def children_of(pid: int) -> list[int]:
    """Return the process ids of the children of a process."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def command_of(pid: int) -> str:
    """Return the command line of a process, or nothing when it has ended."""
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return line.replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


if __name__ == "__main__":
    main()
