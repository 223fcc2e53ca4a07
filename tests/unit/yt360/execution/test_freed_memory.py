from __future__ import annotations

import subprocess
import sys

import pytest

from yt360.execution.freed_memory import keep_freed_memory

FAULTS = """
import ctypes, os, resource, sys
from yt360.execution.freed_memory import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
if "keep" in sys.argv:
    keep_freed_memory(os.environ)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks = [libc.malloc(8 << 20) for _ in range(6)]
    for block in blocks:
        ctypes.memset(block, 1, 8 << 20)
    for block in blocks:
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(*arguments: str, environment: dict[str, str] | None = None) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, *arguments],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
def test_blocks_that_are_requested_again_have_their_pages_still():
    environment: dict[str, str] = {}
    keep_freed_memory(environment)
    once = 6 * (8 << 20) // 4096
    assert page_faults("keep") < 2 * once < page_faults()
    assert page_faults(environment=environment) < 2 * once


@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
@pytest.mark.parametrize("chosen", [None, "mimalloc"])
def test_arrow_takes_memory_from_the_same_place_unless_the_user_chose_another(chosen):
    environment = {} if chosen is None else {"ARROW_DEFAULT_MEMORY_POOL": chosen}
    keep_freed_memory(environment)
    assert environment["ARROW_DEFAULT_MEMORY_POOL"] == (chosen or "system")


@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_"])
def test_settings_of_the_user_stay(name):
    environment = {name: "x"}
    keep_freed_memory(environment)
    assert environment == {name: "x"}
