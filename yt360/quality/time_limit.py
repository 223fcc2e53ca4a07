"""A limit on the time of a piece of work, kept even when the work hangs in a decoder.

Native code that hangs runs no Python any more, and may hold the lock without which no thread of
Python runs: nothing inside the process can stop it. The kernel can. It ends the process as a whole,
and whoever started it sees of which signal it died.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOPPED_EXIT_CODE = -signal.SIGALRM
"""Exit code, as `multiprocessing` gives it, of a process that took too long."""


@contextmanager
def dies_after(seconds: float) -> Iterator[None]:
    """End this process, at once and without cleaning up, when the block takes too long.

    For processes of their own, whose death somebody watches; in their main thread only.

    Args:
        seconds: Longest time, above 0.
    """
    former = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, former)
