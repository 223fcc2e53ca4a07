"""Keep freed memory for the next request, instead of returning it to the system.

The networks and the crops on a CPU request and free blocks of some megabytes all the time. By
default, glibc maps each large block anew, and the system has to clear its pages again.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import MutableMapping
from contextlib import suppress

# Parameters of mallopt, in <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Larger blocks are mapped anew; the largest value that glibc takes.
_MMAP_BYTES = 32 << 20
# Free memory at the end of the heap above which it is returned.
_TRIM_BYTES = (1 << 31) - 1


def keep_freed_memory(environment: MutableMapping[str, str]) -> None:
    """Keep freed memory in this process, and in those that it starts.

    Nothing changes where the C library is not glibc, or where the environment has settings already.

    Args:
        environment: Environment variables, which get the settings of child processes.
    """
    settings = {"MALLOC_MMAP_THRESHOLD_": _MMAP_BYTES, "MALLOC_TRIM_THRESHOLD_": _TRIM_BYTES}
    if sys.platform != "linux" or {*settings, "GLIBC_TUNABLES"} & environment.keys():
        return
    with suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        environment.update({name: str(value) for name, value in settings.items()})
        # Arrow otherwise keeps what it frees for itself.
        environment.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
