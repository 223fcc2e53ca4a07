"""Trained models whose views, scores and evidence the page shows.

The programs that train models register here. This package does not import them: an entry is the
import path of a config class, which is loaded when a run is given. To show the models of another
program, write such a class (`RunReader`), and name it in an entry point of the group
``yt360.explore_runs`` or register it in a module for ``--plugin``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from yt360.explore.layers.clip_layers import Run
from yt360.registry import Entry, Registry


class RunReader(Protocol):
    """Config of an entry, a dataclass with the fields ``kind``, ``run`` and ``dataset``."""

    kind: str

    def build(self) -> Run:
        """Load the run.

        Raises:
            UserError: It cannot be loaded.
        """


RUN_READERS: Registry[RunReader] = Registry(
    "reader of runs",
    "yt360.explore_runs",
    Entry("avsa", "avsa.explore.runs:RunConfig", "Runs of avsa."),
)
"""All readers of runs by name."""


def open_run(run: Path, dataset: Path, kind: str = "avsa") -> Run:
    """Load a run.

    Args:
        run: The folder of a run, or a checkpoint.
        dataset: The dataset whose clips are shown.
        kind: Name of the reader.

    Raises:
        UserError: There is no such reader, its package is not installed, or the run cannot be
            loaded.
    """
    return RUN_READERS.configure(kind, {"run": run, "dataset": dataset}).build()


def open_runs(runs: Sequence[Path], dataset: Path) -> dict[str, Run]:
    """Load runs; return them by the names that `run_names` gives them.

    Raises:
        UserError: See `open_run`.
    """
    different = list(dict.fromkeys(runs))
    names = run_names(different)
    return {name: open_run(run, dataset) for name, run in zip(names, different, strict=True)}


def run_names(runs: Sequence[Path]) -> list[str]:
    """Return a name for each of different paths: its end, as long as it takes to tell them apart.

    A name is the last part of the path, ``"small"`` for ``runs/small``. Where two would be the
    same, all have one more part, such as ``"first/small"`` and ``"second/small"``.
    """
    parts = [run.parts or (str(run),) for run in runs]
    longest = max(map(len, parts), default=1)
    for length in range(1, longest + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [str(run) for run in runs]
