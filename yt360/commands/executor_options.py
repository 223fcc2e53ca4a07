"""The options that choose where the worker processes of a command run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def executor_options(command: _Decorated) -> _Decorated:
    """Add ``--executor`` and ``--executor-config`` to a command (see `open_executor`)."""
    for option in (_CONFIG, _EXECUTOR):
        command = option(command)
    return command


workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes.  [default: 1 on this machine; as many as fit on Ray; 100 on Slurm]",
)
"""``--workers`` of a command that uses one process on this machine (see `workers_of`)."""
cores_option = click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes.  [default: one per core; as many as fit on Ray; 100 on Slurm]",
)
"""``--workers`` of a command that uses all cores of this machine."""
_EXECUTOR = click.option(
    "--executor",
    default="local",
    show_default=True,
    metavar="local|ray[:ADDRESS]|slurm[:PARTITION]",
    help="Where the processes run: on this machine, on a Ray cluster (without ADDRESS, one of its "
    "own on this machine), or as jobs of Slurm. The result is the same. See docs/cluster.md.",
)
_CONFIG = click.option(
    "--executor-config",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Options of the executor, such as CPUs and memory of a process.",
)
