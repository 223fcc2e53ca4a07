from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import is_alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for death signals")

# The process of the tests has threads, so a server is forked from an interpreter of its own.
TESTS = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
BEGIN = """
import json, os, signal, sys, threading, time
from collections import deque
from contextlib import closing
from helpers.processes import is_alive
from yt360.execution.fork_server import fork_server
from yt360.execution.local import WorkerPool, work

def run(pool, *tasks):
    results = dict(pool.run(eval, deque(tasks)))
    return [results[task] for task in tasks]

PID, PARENT = "__import__('os').getpid()", "__import__('os').getppid()"
"""


def output_of(body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGIN + body]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)


def run(body: str) -> Any:
    done = output_of(body)
    assert not done.returncode, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_workers_share_what_their_parent_and_the_server_have_imported():
    found = run("""
import wave
loaded = "sorted({'chunk', 'sndhdr', 'wave'} & set(__import__('sys').modules))"
with closing(fork_server(work, ["chunk"])) as server, WorkerPool(1, server=server) as pool:
    own = loaded.replace("__import__('sys')", "sys")
    print(json.dumps([run(pool, loaded, PARENT), eval(own), os.getpid()]))
""")
    (loaded, server), own, parent = found
    assert loaded == ["chunk", "wave"]
    assert own == ["wave"]
    assert server != parent


def test_a_worker_that_crashes_costs_its_task_only():
    found = run("""
tasks = ["__import__('os')._exit(3)", "__import__('os').abort()", "'after them'"]
with closing(fork_server(work)) as server, WorkerPool(1, server=server) as pool:
    first, second, third = run(pool, *tasks)
    print(json.dumps([first.exit_code, second.exit_code, third]))
""")
    assert found == [3, -signal.SIGABRT, "after them"]


def test_limits_hold_in_a_forked_worker():
    found = run("""
from yt360.execution.limits import Limits
tasks = ["len(bytearray(1 << 30))", "__import__('time').sleep(60)"]
limits = Limits(time_s=0.2, memory_bytes=256 << 20)
with closing(fork_server(work)) as server, WorkerPool(1, limits, server) as pool:
    try:
        run(pool, tasks[0])
    except MemoryError:
        print(json.dumps(run(pool, tasks[1])[0].reason))
""")
    assert found == "timeout"


def test_an_interrupt_from_the_terminal_costs_no_task():
    found = run("""
with closing(fork_server(work)) as server, WorkerPool(1, server=server) as pool:
    server_pid, = run(pool, PARENT)
    os.kill(server_pid, signal.SIGINT)
    print(json.dumps(run(pool, "__import__('signal').raise_signal(2) or 7")))
""")
    assert found == [7]


def test_new_interpreters_replace_a_server_that_was_killed():
    found = run("""
if __name__ == "__main__":
    with closing(fork_server(work)) as server, WorkerPool(1, server=server) as pool:
        server_pid, worker = run(pool, PARENT, PID)
        os.kill(server_pid, signal.SIGKILL)
        while is_alive(worker):
            time.sleep(0.01)
        parent, = run(pool, PARENT)
        print(json.dumps([parent == os.getpid(), server_pid != os.getpid()]))
""")
    assert found == [True, True]


def test_no_server_is_forked_while_there_are_threads():
    found = run("""
wait = threading.Event()
thread = threading.Thread(target=wait.wait)
thread.start()
server = fork_server(work)
wait.set()
thread.join()
print(json.dumps(server is None))
""")
    assert found is True


def test_workers_and_server_end_with_a_parent_that_is_killed():
    body = """
with closing(fork_server(work)) as server, WorkerPool(1, server=server) as pool:
    print(*run(pool, PID, PARENT), flush=True)
    run(pool, "__import__('time').sleep(60)")
"""
    command = [sys.executable, "-c", BEGIN + body]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as parent:
        assert parent.stdout is not None
        processes = [int(word) for word in parent.stdout.readline().split()]
        assert len(processes) == 2
        parent.kill()
    deadline = time.monotonic() + 10
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, processes))


def test_text_that_is_not_written_yet_is_written_once():
    done = output_of("""
print("once", end="")
with closing(fork_server(work)) as server, WorkerPool(1, server=server) as pool:
    run(pool, "1")
""")
    assert done.stdout == "once"
