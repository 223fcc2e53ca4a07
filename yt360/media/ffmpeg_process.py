"""Start FFmpeg so that it ends with this process or at a time limit, but not on Ctrl-C.

A terminal sends Ctrl-C to its whole process group, which would stop FFmpeg as if the item were at
fault. FFmpeg is therefore started in its own session, and the kernel is set to kill it when the
parent ends. A small Python script sets this and the CPU time limit, both of which survive exec, and
then executes FFmpeg; ``preexec_fn`` would not be safe in a process with threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOT_STARTED = "FFmpeg did not start: "
"""Prefix of the only line of output if the program cannot be run."""

_LAUNCHER = f"""
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):  # the parent ended before the call above
    sys.exit(1)
signal.setitimer(signal.ITIMER_PROF, float(sys.argv[2]))
try:
    os.execv(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{NOT_STARTED}{{error}}")
"""


def start_ffmpeg(
    program: Path, arguments: Sequence[str], *, cpu_s: float = 0.0, **options: Any
) -> subprocess.Popen[Any]:
    """Start a program that is killed when the calling thread ends for any reason.

    This works on Linux only. On other systems, the program stays in the process group of the
    caller, where it receives Ctrl-C.

    Args:
        program: Path of the program.
        arguments: Arguments of the program.
        cpu_s: CPU time in seconds after which SIGPROF ends the program; 0 for no limit.
        options: Options of `subprocess.Popen` for input and output.
    """
    command = [str(program), *arguments]
    if sys.platform != "linux" or not sys.executable:
        return subprocess.Popen(command, **options)
    # Isolated mode: the script imports nothing from the current folder or installed packages.
    launcher = [sys.executable, "-SP", "-c", _LAUNCHER, str(os.getpid()), str(cpu_s)]
    return subprocess.Popen([*launcher, *command], start_new_session=True, **options)
