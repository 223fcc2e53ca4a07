"""Who may use the models: one at a time, and people before work in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ModelLock:
    """A lock for models, each of which takes all cores and much memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_held, self._urgent = False, 0

    @contextmanager
    def hold(self, *, is_urgent: bool) -> Iterator[None]:
        """Hold the lock in the block.

        Args:
            is_urgent: Whether somebody waits for the result. Who is not in a hurry waits until
                nobody is.
        """
        with self._changed:
            self._urgent += is_urgent
            try:
                self._changed.wait_for(
                    lambda: not self._is_held and (is_urgent or not self._urgent)
                )
                self._is_held = True
            finally:
                self._urgent -= is_urgent
        try:
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()
