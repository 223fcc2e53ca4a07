"""Work that threads do ahead of use, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
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


def read_ahead(items: Iterator[Item], ahead: int) -> Generator[Item]:
    """Yield items in order, which a thread takes from an iterator ahead of use.

    The thread may be inside of the iterator while the generator is suspended: close the generator
    before the iterator.

    Args:
        items: What it raises is raised here.
        ahead: Items that are taken ahead of use at most.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        pending: deque[Future[list[Item]]] = deque()
        try:
            while True:
                while len(pending) <= ahead:
                    pending.append(thread.submit(_next, items))
                taken = pending.popleft().result()
                if not taken:
                    return
                yield taken[0]
        finally:
            thread.shutdown(wait=True, cancel_futures=True)


def _next(items: Iterator[Item]) -> list[Item]:
    """Return the next item, or nothing at the end."""
    return list(islice(items, 1))
