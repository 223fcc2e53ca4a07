"""What runs in processes of its own, run in this process: for tests in which nothing crashes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from yt360.execution.isolation import IsolatedProcess


class InlinePool:
    """Runs tasks in this process, the last one first."""

    def __init__(self, workers: int = 1) -> None:
        pass

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def run(self, function: Callable, tasks: deque) -> Iterator[tuple[Any, Any]]:
        while tasks:
            task = tasks.pop()
            yield task, function(task)


in_process = partial(IsolatedProcess, InlinePool)
"""Makes an `IsolatedProcess` that calls functions in this process."""


class InlineExecutor:
    """An engine whose workers are this process."""

    default_workers = 2

    def pool(self, workers: int, limits: object = None) -> InlinePool:  # noqa: ARG002
        return InlinePool(workers)
