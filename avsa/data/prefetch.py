"""Work that threads do ahead of use, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def prefetched(
    work: Callable[[Item], Done], items: Iterable[Item], threads: int, ahead: int
) -> Generator[Done]:
    """Yield ``work(item)`` of every item, in order; close the generator to end early.

    Args:
        work: Called in threads; what it raises is raised here.
        items: May be endless.
        threads: Number of threads.
        ahead: Results that are computed ahead of use at most.
    """
    pending: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="prefetch") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
