"""The two ways in which input from outside can be wrong.

A *bad request* (a missing file, an unknown option, a folder that holds something else) stops the
command at once: raise `UserError`; the CLI prints its one line and exits with code 2.

A *bad item* (one corrupt video among thousands) is recorded with its reason and skipped: raise
`BadItem`; whoever loops over items catches it, counts it by `reason` and goes on. Where the item
was all that was asked for, the CLI treats it as a bad request.

Neither is the other, and neither is a `ValueError`: a parser that catches what `int` or `struct`
raise must not catch its own verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A request that cannot be carried out.

    The message is one line that says the value, what is allowed, and what to do next.
    """


class BadItem(Exception):
    """One item of many that cannot be used.

    Attributes:
        reason: A short fixed slug to count by, such as ``"no-audio"`` or ``"truncated"``.
        detail: One sentence for a person, with the values that led to the reason.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[BadItem], tuple[str, str]]:
        """Travel whole between processes (exceptions are rebuilt from their constructor)."""
        return type(self), (self.reason, self.detail)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or the list of all of them."""
    choices = sorted(known)
    nearest = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; known: {', '.join(choices)}"
