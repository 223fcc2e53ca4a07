"""The retry policy: how many attempts, and the exponential backoff between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from yt360.errors import UserError

Result = TypeVar("Result")


class _Random(Protocol):
    def random(self) -> float:
        """Return a number in [0, 1)."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff.

    Code that keeps the number of failures itself, such as in a database, asks `is_exhausted` and
    `delay_s`; other code passes an operation to `call`.

    Attributes:
        max_attempts: Attempts in total, the first one included.
        first_delay_s: Delay after the first failure, in seconds.
        factor: Each further delay is this many times as long.
        max_delay_s: Upper limit of a delay before jitter, in seconds.
        jitter: A delay is lengthened by a random fraction of itself, up to this one.
    """

    max_attempts: int
    first_delay_s: float
    factor: float = 2.0
    max_delay_s: float = float("inf")
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise UserError(
                f"max_attempts is {self.max_attempts}; give 1 or more",
                code="out-of-range",
                key="max_attempts",
            )

    def is_exhausted(self, failures: int) -> bool:
        """Return whether no attempt is left after this number of failed ones."""
        return failures >= self.max_attempts

    def delay_s(
        self, failures: int, *, rng: _Random | None = None, retry_after_s: float | None = None
    ) -> float:
        """Return the delay before the next attempt, in seconds.

        Args:
            failures: Number of failed attempts so far, at least 1.
            rng: Source of the jitter; without it there is none.
            retry_after_s: Lower limit of the delay, such as a server's ``Retry-After``.
        """
        # The exponent is limited because a power beyond the largest float is an error.
        delay = min(self.first_delay_s * self.factor ** min(failures - 1, 30), self.max_delay_s)
        if rng is not None:
            delay *= 1.0 + self.jitter * rng.random()
        return max(delay, retry_after_s or 0.0)

    def call(
        self,
        operation: Callable[[], Result],
        *,
        is_transient: Callable[[Exception], bool],
        sleep: Callable[[float], bool | None] = time.sleep,
    ) -> Result:
        """Return the result of an operation, which is attempted again after a transient error.

        Args:
            operation: Takes no arguments.
            is_transient: Whether another attempt may succeed after this error.
            sleep: Waits for a number of seconds. A true return value ends the retries, so the
                ``wait`` of a `threading.Event` interrupts them.

        Raises:
            Exception: The error of the last attempt.
        """
        failures = 0
        while True:
            try:
                return operation()
            except Exception as error:
                failures += 1
                if self.is_exhausted(failures) or not is_transient(error):
                    raise
                if sleep(self.delay_s(failures)):
                    raise
