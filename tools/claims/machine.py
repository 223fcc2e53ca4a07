"""The machine and the versions with which numbers were made."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch

from avsa import __version__


def machine() -> dict[str, str]:
    """Return facts about the machine, by name."""
    return {
        "CPU": _cpu(),
        "cores": str(os.cpu_count()),
        "threads of a job": "1",
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "avsa": __version__,
        "commit": _commit(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    folder = Path(__file__).parent
    words = ["git", "-C", str(folder)]
    try:
        commit = subprocess.run(
            [*words, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*words, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + (" with changes" if changed else "")
