"""Limits of the size, rate and time of a response."""

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
    """Limits of one response. Only the time spent waiting for the server counts.

    Attributes:
        max_bytes: Declared or allowed size.
        min_rate_bytes_per_s: Minimum rate over each window of `window_s`.
        window_s: Seconds of waiting over which the rate is measured.
        mean_rate_bytes_per_s: The response may take the time of `max_bytes` at this rate, ...
        grace_s: ... plus this time in seconds.
    """

    max_bytes: int
    min_rate_bytes_per_s: float = 1_000.0
    window_s: float = 60.0
    mean_rate_bytes_per_s: float = 20_000.0
    grace_s: float = 300.0

    @property
    def total_s(self) -> float:
        """Maximum time of a response in seconds."""
        return self.grace_s + self.max_bytes / self.mean_rate_bytes_per_s


class Watch:
    """Monitors one response, and raises if it is too large or too slow.

    Args:
        limits: The limits.
        clock: Returns the time in seconds from any origin.
    """

    def __init__(self, limits: TransferLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        # Headers and sizes of chunks are sent in addition to the content.
        self._max_bytes = 2 * limits.max_bytes + _OVERHEAD_BYTES
        self._bytes = self._window_bytes = 0
        self._waited_s = self._window_s = 0.0

    def of_headers(self) -> Watch:
        """Return a watch of the headers of the same response."""
        return Watch(replace(self._limits, max_bytes=HEADER_BYTES), self._clock)

    def wait_for(self, read: Callable[[], int]) -> int:
        """Call `read`, which waits for data, and return the number of bytes received, 0 at the end.

        Raises:
            TooMuch: More bytes were received than a response of the allowed size can have.
            TooSlow: The rate over the last window is too low, or the total time too long.
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
