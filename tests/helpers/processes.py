"""Processes for tests, forked from a server that has imported torch and avsa once.

An import of torch takes seconds of CPU time, so tests that need a process, but not a fresh
interpreter, start it here.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["torch.distributed", "avsa.commands.train", "avsa.training.loop", "avsa.training.request"]
)


def start(
    file: str, function: str, *arguments: Any, output: Path | None = None, **environment: str
) -> BaseProcess:
    """Start a function of a Python file (``__file__``, say) in a process of its own.

    Args:
        file: The file.
        function: Its name.
        arguments: Anything that pickles.
        output: File that receives what the process prints.
        environment: Environment variables of the process.
    """
    process = _CONTEXT.Process(
        target=_run, args=(file, function, arguments, output, environment), daemon=True
    )
    process.start()
    return process


def train_command(*arguments: str) -> None:
    """Run ``avsa train`` with a log of keys; the function of a process."""
    from avsa.cli import main

    sys.argv = ["avsa", "train", "--log-keys", *arguments]
    main()


def _run(
    file: str,
    function: str,
    arguments: tuple[Any, ...],
    output: Path | None,
    environment: dict[str, str],
) -> None:
    import torch

    os.environ.update(environment)
    torch.set_num_threads(1)
    if output is not None:
        with output.open("w") as printed:
            for stream in (1, 2):
                os.dup2(printed.fileno(), stream)
    runpy.run_path(file)[function](*arguments)
