"""Starting FFmpeg so that it ends when we end or when it hangs, and not when Ctrl-C is pressed.

Ctrl-C goes to all processes of a terminal's group. FFmpeg would stop in the middle of its work, as
if the item were at fault, so it gets a session of its own; and as nobody would end it then when we
are killed, the kernel is asked to. That is asked by a few lines of Python which then become FFmpeg:
what could run in our own process between fork and exec is not safe beside threads. They also start
the timer that limits its processor time, which a program keeps when it becomes another.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOT_STARTED = "FFmpeg did not start: "
"""How the only line of output begins when the program cannot be run."""

_TETHER = f"""
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):  # it died before we could ask
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
    """Start a program that is killed when the thread that starts it ends, however it ends.

    Only Linux can do that; elsewhere the program stays in our group, where Ctrl-C reaches it.

    Args:
        program: Its file.
        arguments: Its arguments.
        cpu_s: Seconds of processor time after which SIGPROF ends it; 0 for no limit.
        options: Of `subprocess.Popen`: where its input and output go.
    """
    command = [str(program), *arguments]
    if sys.platform != "linux" or not sys.executable:
        return subprocess.Popen(command, **options)
    # Neither the current folder nor installed packages have a say in what the few lines import.
    tether = [sys.executable, "-SP", "-c", _TETHER, str(os.getpid()), str(cpu_s)]
    return subprocess.Popen([*tether, *command], start_new_session=True, **options)
