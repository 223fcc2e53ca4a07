"""Inspect one file with the packages on the path; print speed, memory and verdicts as JSON.

`benchmarks.inspect` runs this as a script, also with an older checkout on the path.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from yt360.quality.inspect import inspect_file


def main() -> None:
    """Inspect the file that is named by the only argument."""
    before, started = time.process_time(), time.monotonic()
    verdicts = inspect_file(Path(sys.argv[1])).verdicts.values()
    result = {
        "processor_s": time.process_time() - before,
        "wall_s": time.monotonic() - started,
        "peak_mb": _peak_mb(),
        "verdicts": [f"{it.name:16} {it.outcome.value:7} {it.reason}" for it in verdicts],
    }
    print(json.dumps(result))


def _peak_mb() -> float:
    """Return the peak memory of this process (Linux)."""
    # The maximum of getrusage includes that of the parent.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
