"""Limits of what a server sends: bytes, rate and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

_OVERHEAD_BYTES = 1 << 20
HEADER_BYTES = 1 << 17
"""Limit of the headers of an answer, whatever the size of its content."""


class TooMuch(OSError):
    """A server sends more than was announced or is allowed."""


class TooSlow(TimeoutError):
    """A server sends too slowly."""


@dataclass(frozen=True, kw_only=True)
class TransferLimits:
    """What one answer of a server may cost. Only time spent waiting for the server counts.

    Attributes:
        max_bytes: Size that is announced or allowed.
        min_rate_bytes_per_s: An answer that stays below this over `window_s` has failed.
        window_s: Seconds of waiting after which the rate is looked at.
        mean_rate_bytes_per_s: The whole may take as long as `max_bytes` take at this rate, and
            `grace_s` more.
    """

    max_bytes: int
    min_rate_bytes_per_s: float = 1_000.0
    window_s: float = 60.0
    mean_rate_bytes_per_s: float = 20_000.0
    grace_s: float = 300.0

    @property
    def total_s(self) -> float:
        """Longest time of one answer, in seconds."""
        return self.grace_s + self.max_bytes / self.mean_rate_bytes_per_s


class Watch:
    """Counts what comes of one answer, and raises when it is too much or too slow.

    Args:
        limits: What is allowed.
        clock: Seconds from any origin.
    """

    def __init__(self, limits: TransferLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        # Headers, the sizes of chunks and the like come beside the content.
        self._max_bytes = 2 * limits.max_bytes + _OVERHEAD_BYTES
        self._bytes = self._window_bytes = 0
        self._waited_s = self._window_s = 0.0

    def of_headers(self) -> Watch:
        """Return a watch of what comes before the content of the same answer."""
        return Watch(replace(self._limits, max_bytes=HEADER_BYTES), self._clock)

    def wait_for(self, read: Callable[[], int]) -> int:
        """Return what `read` returns: how many bytes came, 0 at the end, after waiting for them.

        Raises:
            TooMuch: More came than can belong to an answer of the allowed size.
            TooSlow: The rate over the last window, or the whole time, is not as allowed.
        """
        began = self._clock()
        count = read() or 0
        waited = self._clock() - began
        self._bytes += count
        self._window_bytes += count
        self._waited_s += waited
        self._window_s += waited
        limits = self._limits
        if self._bytes > self._max_bytes:
            raise TooMuch(f"the server sends more than {limits.max_bytes} bytes")
        if self._waited_s > limits.total_s:
            raise TooSlow(f"too slow: {self._bytes} bytes in {self._waited_s:.0f} s")
        if self._window_s >= limits.window_s:
            if self._window_bytes < limits.min_rate_bytes_per_s * self._window_s:
                raise TooSlow(f"too slow: {self._window_bytes} bytes in {self._window_s:.0f} s")
            self._window_s, self._window_bytes = 0.0, 0
        return count
