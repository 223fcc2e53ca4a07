from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing import Pipe

import pytest
from helpers.errors import bad_item
from helpers.processes import is_alive

from yt360.execution.local import Crashed, WorkerPool, _serve

pytestmark = pytest.mark.usefixtures("spawned_workers")

# Workers are new interpreters that cannot import this file: `eval` serves as the function.


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """One pool for many tests: an interpreter takes most of a second to start."""
    with WorkerPool(2) as pool:
        yield pool


def test_results_of_all_tasks_come_with_their_tasks(pool):
    tasks = [f"{number} * {number}" for number in range(20)]
    results = dict(pool.run(eval, deque(tasks)))
    assert results == {task: number * number for number, task in enumerate(tasks)}
    assert dict(pool.run(abs, deque([-1]))) == {-1: 1}  # the same workers, another function


def test_tasks_may_be_added_while_others_run(pool):
    tasks, seen = deque([3]), []
    for task, result in pool.run(abs, tasks):
        seen.append(result)
        if task:
            tasks.append(task - 1)
    assert seen == [3, 2, 1, 0]


def test_an_error_of_the_function_reaches_the_caller_whole(pool):
    with pytest.raises(ZeroDivisionError):
        list(pool.run(eval, deque(["1 / 0"])))
    bad = 'exec(\'from yt360.errors import BadItem\\nraise BadItem("slug", "why")\')'
    with bad_item("slug", "why"):
        list(pool.run(eval, deque([bad])))


def test_a_dead_worker_costs_its_task_only(pool):
    tasks = [f"__import__('os')._exit({number})" for number in (3, 4)]
    tasks += ["__import__('os').kill(__import__('os').getpid(), 9)", "5", "6", "7"]
    results = dict(pool.run(eval, deque(tasks)))
    assert [results[task] for task in tasks] == [Crashed(3), Crashed(4), Crashed(-9), 5, 6, 7]
    assert "exit code -9" in Crashed(-9).describe()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_to_all_processes_costs_no_task(number):
    with WorkerPool(1) as pool:
        task = f"__import__('signal').raise_signal({int(number)}) or 7"
        assert [result for _, result in pool.run(eval, deque([task]))] == [7]


def test_a_worker_that_dies_without_a_task_is_replaced():
    with WorkerPool(2) as pool:
        ids = {pid for _, pid in pool.run(eval, deque(["__import__('os').getpid()"] * 8))}
        for process in ids:
            os.kill(process, signal.SIGKILL)
        for process in ids:  # a zombie with threads left still holds its end of the connection
            os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        assert dict(pool.run(eval, deque(["1 + 1", "2 + 2"]))) == {"1 + 1": 2, "2 + 2": 4}
    assert not any(map(is_alive, ids))


def test_half_an_answer_counts_as_none():
    # `eval` sees the worker's own end of the pipe. Nine bytes are announced, one is sent.
    half = "__import__('os').write(connection.fileno(), bytes([0, 0, 0, 9, 1]))"
    task = f"{half} and __import__('os')._exit(5)"
    with WorkerPool(1) as pool:
        assert dict(pool.run(eval, deque([task, "6"]))) == {task: Crashed(5), "6": 6}


def test_workers_end_with_the_block():
    with WorkerPool(2) as pool:
        ids = {result for _, result in pool.run(eval, deque(["__import__('os').getpid()"] * 8))}
    assert not any(is_alive(process) for process in ids)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a death signal")
def test_workers_die_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "from collections import deque\n"
        "from yt360.execution.local import WorkerPool\n"
        "if __name__ == '__main__':\n"
        "    with WorkerPool(2) as pool:\n"
        "        for _, pid in pool.run(eval, deque([\"__import__('os').getpid()\"] * 2)):\n"
        "            print(pid, flush=True)\n"
        "        list(pool.run(eval, deque([\"__import__('time').sleep(60)\"] * 2)))\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = {int(parent.stdout.readline()) for _ in range(2)}
        parent.kill()
    deadline = time.monotonic() + 10
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize("unread", [True, False])
def test_a_worker_ends_in_silence_when_the_process_that_made_it_has_gone(unread):
    ours, theirs = Pipe()
    if unread:
        theirs.send("an answer")  # reading then fails, instead of saying that the end is reached
    else:
        ours.send((abs, -1))  # and nobody is there to take the answer
    ours.close()
    _serve(theirs)
