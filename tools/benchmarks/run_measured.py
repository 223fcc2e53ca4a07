"""Run the command in the arguments; append what it cost to the last line of the output, as JSON.

A small program of its own: the peak memory of a process includes that of the process that started
it (`setmax_mm_hiwater_rss` in Linux's exec).
"""

import json
import os
import sys
from pathlib import Path


def bytes_read() -> int:
    """Return the bytes that this process and its ended children have read."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return int(lines[0].removeprefix("rchar: "))


def main() -> None:
    """Run the command."""
    before = bytes_read()
    process = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
    _, status, usage = os.wait4(process, 0)
    cost = {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "read_bytes": bytes_read() - before,
    }
    print("\n" + json.dumps(cost))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
