"""Calling functions that run native code on files from outside, so that a crash costs one call.

Decoders are C code, and files from outside reach parts of it that few files reach. What it does
then cannot be caught in Python: the process dies. So the call is made in another process, whose
time and memory are limited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import ParamSpec, TypeVar

from yt360.errors import BadItem
from yt360.execution.blame import blaming
from yt360.execution.local import Crashed, Pool, limited_pool

P = ParamSpec("P")
Result = TypeVar("Result")


class IsolatedProcess:
    """A process in which functions are called one at a time; it is replaced when it dies.

    It starts with the first call, is kept between calls, and is killed at the end of the ``with``
    block. As it is a new interpreter, a program that uses it needs ``if __name__ == "__main__":``
    around its main code.

    Args:
        make_pool: Makes the pool of one worker that does the work.
    """

    def __init__(
        self, make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool
    ) -> None:
        self._opened = make_pool(1)
        self._pool = self._opened.__enter__()

    def __enter__(self) -> IsolatedProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def call(
        self, item: str, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Return what ``function(*args, **kwargs)`` returns there.

        Args:
            item: Name of the file that the call works on, for the error.
            function: Importable by name; it, its arguments and its result are pickled.
            args: Its arguments.
            kwargs: Its named arguments.

        Raises:
            BadItem: ``"crash"``: the process died; ``"timeout"``: it took too long and was stopped;
                what `function` raises, or `blaming` makes of it.
            UserError: Raised by `function`.
            OSError: Likewise.
        """
        for _, result in self._pool.run(_call, deque([(item, function, args, kwargs)])):
            if isinstance(result, Crashed):
                raise BadItem(result.reason, f"{item}: {result.describe()}")
            return result
        raise RuntimeError("the pool of worker processes returned no result")


def _call(
    task: tuple[str, Callable[..., Result], tuple[object, ...], dict[str, object]],
) -> Result:
    item, function, args, kwargs = task
    with blaming(item):
        return function(*args, **kwargs)
