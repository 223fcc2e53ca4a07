from __future__ import annotations

import signal
import subprocess
import sys
from collections import deque

import pytest

from yt360.execution.limits import CPU_S_PER_MB, Limits, allow_time
from yt360.execution.local import Crashed, WorkerPool

pytestmark = pytest.mark.usefixtures("spawned_workers")


def test_a_lower_limit_of_the_system_stays():
    program = """
import resource
from yt360.execution.limits import Limits
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
Limits(memory_bytes=2 << 30).limit_memory()
print(resource.getrlimit(resource.RLIMIT_DATA) == (1 << 30, 1 << 30))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "True\n", answer.stderr


@pytest.mark.parametrize(
    ("limits", "task", "signal_number"),
    [
        (Limits(cpu_s=0.2), "sum(range(1 << 60))", signal.SIGPROF),
        (Limits(cpu_s=0.03), "__import__('time').sleep(60)", signal.SIGALRM),
        (Limits(time_s=0.3), "__import__('time').sleep(60)", signal.SIGALRM),
    ],
    ids=["busy", "waiting", "given time"],
)
def test_a_task_that_takes_too_long_costs_itself_only(limits, task, signal_number):
    with WorkerPool(1, limits) as pool:
        results = dict(pool.run(eval, deque([task, "1 + 1"])))
    assert results == {task: Crashed(-signal_number), "1 + 1": 2}
    assert results[task].reason == "timeout"
    assert Crashed(-signal.SIGSEGV).reason == "crash"


def test_each_file_that_a_task_opens_gives_it_time_once():
    def left_s() -> tuple[float, float]:
        return tuple(signal.getitimer(t)[0] for t in (signal.ITIMER_PROF, signal.ITIMER_REAL))

    with Limits(cpu_s=100).one_task():
        before = left_s()
        for name, size in (("a", 2_000_000), ("a", 2_000_000), ("b", 1_000_000)):
            allow_time(name, size)
        more = [after - first for after, first in zip(left_s(), before, strict=True)]
    assert more == pytest.approx([3 * CPU_S_PER_MB, 30 * CPU_S_PER_MB], abs=1)
    assert left_s() == (0, 0)
    allow_time("outside of a task", 1)
    with Limits(time_s=100).one_task():
        allow_time("c", 1_000_000)
        assert left_s() == pytest.approx((0, 100), abs=1)
