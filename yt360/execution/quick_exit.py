"""End a process without the destructors of the libraries that it has loaded.

Those of torch with CUDA take 0.3 s and 125 MiB, and Python takes as long to take modules apart.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from yt360.terminal.output import flush_output


@contextmanager
def quick_exit(is_wanted: Callable[[], bool]) -> Iterator[None]:
    """End the process quickly if `SystemExit` with a number leaves the block, and else as usual.

    Threads are awaited, functions registered with `atexit` are called and output is written as at
    any end. Enter the block before such functions are registered.

    Args:
        is_wanted: Is asked at the very end.
    """
    codes: list[int] = []
    atexit.register(_end, codes, is_wanted)  # the first to be registered is called last
    try:
        yield
    except SystemExit as end:
        if isinstance(end.code, int):
            codes.append(end.code)
        raise


def _end(codes: list[int], is_wanted: Callable[[], bool]) -> None:
    if not codes or not is_wanted():
        return
    logging.shutdown()
    flush_output()
    os._exit(codes[-1])
