"""Checks of the numbers in a run's options."""

from __future__ import annotations

import math

from yt360.errors import UserError


def check_number(name: str, value: float, *, above_zero: bool = False) -> None:
    """Check that an option is a finite number of at least 0.

    Args:
        name: The option, for the message.
        value: Its value.
        above_zero: Whether 0 is refused too.

    Raises:
        UserError: The value is not a finite number, or is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{name} of {value!r:.60} is not a finite number", "invalid", name)
    if value < 0 or (above_zero and value == 0):
        limit = "greater than 0" if above_zero else "at least 0"
        raise UserError(f"{name} of {value} must be {limit}", "out-of-range", name)
