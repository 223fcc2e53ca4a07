"""Run commands in processes of their own, and measure them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """What a command and the processes below it cost.

    Attributes:
        cpu_s: CPU time of all of them.
        peak_mib: Peak memory of the largest process.
        read_bytes: Bytes that all of them read from files and pipes.
    """

    cpu_s: float
    peak_mib: float
    read_bytes: int


def run_command(*command: str) -> Cost:
    """Run a command to its end, and return what it cost (Linux).

    Raises:
        RuntimeError: It failed.
    """
    measured = str(Path(__file__).with_name("run_measured.py"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", measured, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}:\n{output}")
    return Cost(**json.loads(output.splitlines()[-1]))


def run_python(*arguments: str) -> Cost:
    """Run this interpreter with the packages of this repository; see `run_command`."""
    return run_command(sys.executable, *arguments)
