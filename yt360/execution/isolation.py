"""Call functions that run native code on untrusted files in another process.

Decoders are C code. A damaged or hostile file can crash them, and Python cannot catch this: the
process ends. Therefore the call runs in another process with limited time and memory, and a crash
affects this call alone.
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
    """A process that runs one function call at a time and is replaced if it crashes.

    It starts at the first call, is reused by later calls, and is killed at the end of the ``with``
    block. It is a new interpreter, so a program that uses it must have its main code under
    ``if __name__ == "__main__":``.

    Args:
        make_pool: Returns the pool of one worker that runs the calls.
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
        """Return the result of ``function(*args, **kwargs)``, called in the process.

        Args:
            item: Name of the file that the call reads, for the error.
            function: Importable by name; it, its arguments and its result are pickled.
            args: Positional arguments.
            kwargs: Keyword arguments.

        Raises:
            BadItem: ``"crash"``: the process crashed; ``"timeout"``: it exceeded its time limit;
                or raised by `function`, or converted by `blaming`.
            UserError: Raised by `function`.
            OSError: Raised by `function`.
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
