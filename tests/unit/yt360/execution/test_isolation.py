from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from threading import Thread

import pytest
from helpers.errors import bad_item

from yt360.errors import BadItem
from yt360.execution.isolation import IsolatedProcess
from yt360.execution.limits import Limits
from yt360.execution.local import WorkerPool

pytestmark = pytest.mark.usefixtures("spawned_workers")

# Workers cannot import this file: functions of the standard library serve as the work.


@pytest.fixture(scope="module")
def isolated() -> Iterator[IsolatedProcess]:
    """One process for many tests: an interpreter takes most of a second to start."""
    with IsolatedProcess() as isolated:
        yield isolated


def test_calls_return_what_the_function_returns_in_one_process_that_is_kept(isolated):
    first = isolated.call("a", os.getpid)
    assert isolated.call("b", int, "ff", base=16) == 255
    assert isolated.call("c", os.getpid) == first != os.getpid()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_costs_one_call(isolated, number):
    dead = isolated.call("a.mp4", os.getpid)
    with pytest.raises(BadItem, match=rf"crash: b\.mp4: .*{number.name}") as caught:
        isolated.call("b.mp4", signal.raise_signal, number)
    assert caught.value.reason == "crash"
    assert isolated.call("c.mp4", os.getpid) not in (dead, os.getpid())


def test_a_verdict_is_raised_here_and_the_process_goes_on(isolated):
    process = isolated.call("a", os.getpid)
    bad = 'exec(\'from yt360.errors import BadItem; raise BadItem("slug", "why")\')'
    with bad_item("slug", "why"):
        isolated.call("c", eval, bad)
    with pytest.raises(FileNotFoundError):
        isolated.call("c", os.stat, "/none/such")
    assert isolated.call("d", os.getpid) == process


def test_a_process_outlives_the_thread_that_called_first():
    processes = []
    with IsolatedProcess() as isolated:
        for _ in range(5):
            thread = Thread(target=lambda: processes.append(isolated.call("a", os.getpid)))
            thread.start()
            thread.join()
            time.sleep(0.05)  # the kernel ends a thread shortly after `join` returns
    assert len(processes) == 5 and len(set(processes)) == 1


UNPICKLABLE = "exec('class Local(Exception):\\n  pass\\nraise Local(\"of no module\")')"


@pytest.mark.parametrize(
    ("function", "argument", "reason", "named"),
    [
        (int, "x", "unexpected-error", "ValueError"),
        (eval, UNPICKLABLE, "unexpected-error", "Local: of no module"),
        (eval, "[].append([]) or exec('raise MemoryError')", "memory", "memory"),
    ],
)
def test_what_no_reader_is_known_to_raise_costs_one_call(
    isolated, function, argument, reason, named
):
    process = isolated.call("a", os.getpid)
    with bad_item(reason, "b: ", named):
        isolated.call("b", function, argument)
    assert isolated.call("c", os.getpid) == process


def test_a_call_that_takes_too_much_processor_time_or_memory_is_stopped():
    limits = Limits(cpu_s=0.2, memory_bytes=1 << 30)
    with IsolatedProcess(partial(WorkerPool, limits=limits)) as isolated:
        with bad_item("timeout", "a.mp4"):
            isolated.call("a.mp4", sum, range(1 << 60))
        with bad_item("memory", "b.mp4"):
            isolated.call("b.mp4", bytes, 2 << 30)
        assert isolated.call("c", abs, -1) == 1


def test_the_process_ends_with_the_block():
    with IsolatedProcess() as isolated:
        process = isolated.call("a", os.getpid)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


# Evaluated in `yt360.execution.isolation`.
NESTED = (
    "(IsolatedProcess().call('a', eval, '__import__(\"os\").getppid()'), __import__('os').getpid())"
)


def test_a_process_may_have_one_of_its_own(isolated):
    parent, process = isolated.call("a", eval, NESTED)
    assert parent == process != os.getpid()


INTERRUPTED = """
import os, signal, threading, time
from yt360.execution.isolation import IsolatedProcess
if __name__ == "__main__":
    try:
        with IsolatedProcess() as isolated:
            isolated.call("a", abs, -1)
            threading.Timer(0.1, os.killpg, (0, signal.SIGINT)).start()
            isolated.call("b", time.sleep, 60)
    except KeyboardInterrupt:
        print("interrupted")
"""

INTERRUPTED_AT_THE_START = """
import os, signal, threading
from yt360.execution.isolation import IsolatedProcess
if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    done = threading.Event()

    def interrupt():
        while not done.wait(0.005):
            os.killpg(0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        with IsolatedProcess() as isolated:
            print("interrupted", isolated.call("a", abs, -1))
    finally:
        done.set()
"""


@pytest.mark.parametrize(
    "script", [INTERRUPTED, INTERRUPTED_AT_THE_START], ids=["at work", "starting"]
)
def test_ctrl_c_reaches_the_caller_and_never_the_process(tmp_path, script):
    path = tmp_path / "script.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, path],
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("interrupted")
