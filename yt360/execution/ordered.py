"""Results of a pool in the order of its tasks, for output that does not depend on the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_task_order(
    tasks: Sequence[Task], results: Iterable[tuple[Task, Result]]
) -> Iterator[tuple[Task, Result]]:
    """Yield each task with its result, in the order of the tasks.

    A result is yielded as soon as those of all earlier tasks have been.

    Args:
        tasks: The tasks. Tasks may be equal to each other; they are told apart as objects.
        results: From `yt360.execution.local.Pool.run`, in any order; a result for each task.
    """
    known: dict[int, tuple[Task, Result]] = {}
    left = iter(tasks)
    expected = next(left, None)
    for task, result in results:
        known[id(task)] = task, result
        while expected is not None and id(expected) in known:
            yield known.pop(id(expected))
            expected = next(left, None)
