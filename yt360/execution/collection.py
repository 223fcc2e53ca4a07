"""Garbage collection that is left out while modules are imported, where it finds nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected_imports() -> Iterator[None]:
    """Import modules in the block without collections, which take a tenth of the time there.

    What exists at its end is left out of later collections, the first of which would take longer
    than all that were left out.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()
