"""Processes for tests, forked from a server that has imported torch and avsa once.

An import of torch takes seconds of CPU time, so tests that need a process, but not a fresh
interpreter, start it here.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "torch.distributed",
        "torch._dynamo",  # which DistributedDataParallel imports
        "avsa.commands.train",
        "avsa.evals.run",
        "avsa.training.loop",
        "avsa.training.request",
    ]
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


def eval_command(*arguments: str) -> None:
    """Run ``avsa eval`` with small parts and frequent states; the function of a process."""
    from avsa.cli import main
    from avsa.evals import feature_cache, fit

    feature_cache.PART_BATCHES, fit.SAVE_EVERY_STEPS = 1, 2
    sys.argv = ["avsa", "--plugin", "helpers.head_evaluation", "eval", *arguments]
    main()


def yt360_command(*arguments: str) -> None:
    """Run ``yt360``; the function of a process."""
    command(Path.cwd(), "yt360", *arguments)


def command(folder: Path, program: str, *arguments: str) -> None:
    """Run ``yt360`` or ``avsa`` in a folder; the function of a process."""
    multiprocessing.current_process().daemon = False  # it may start workers
    os.chdir(folder)
    sys.argv = [program, *arguments]
    import_module(f"{program}.cli").main()


def is_alive(process: int) -> bool:
    """Return whether a process runs: it exists, and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def run_source(folder: Path, source: str) -> str:
    """Run Python source in a folder of its own, which is imported from; return what it prints."""
    output = folder / "printed.txt"
    process = start(__file__, "execute", folder, source, output=output)
    process.join()
    text = output.read_text()
    assert process.exitcode == 0, text
    return text


def execute(folder: Path, source: str) -> None:
    """Run Python source, with workers that are forked, too; the function of a process."""
    from yt360.execution.local import WorkerPool

    multiprocessing.current_process().daemon = False  # it may start workers
    WorkerPool.context = multiprocessing.get_context("fork")
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    exec(source, {"__name__": "__main__"})


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
