"""The two kinds of errors in input.

A *bad request* (a missing file, an unknown option, a folder that holds something else) stops the
command at once: raise `UserError`; the CLI prints its one line and exits with code 2.

A *bad item* (one corrupt video among thousands) is recorded with its reason and skipped: raise
`BadItem`; the loop over items catches it, counts it by `reason` and continues. If the command was
given only this item, the CLI treats it as a bad request.

Neither is a subclass of the other or of `ValueError`, so a parser that catches the `ValueError` of
`int` or `struct` does not catch them.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

ErrorCode = Literal[
    "conflict",  # two values, files or options do not go together
    "dependency",  # a package, program or device is missing or too old
    "empty",  # there is nothing to work on
    "exists",  # the output is there already, or holds something else
    "forbidden",  # refused for safety: a path, an address, a size
    "in-use",  # another process holds it
    "invalid",  # a value or a file does not have the form that is expected
    "missing",  # a file, a folder or an entry does not exist
    "network",  # a server does not answer, or answers with an error
    "out-of-range",  # a number outside its limits
    "system",  # the operating system refuses: permissions, space, memory
    "unknown-name",  # a key, an option, a choice or an entry of a registry that does not exist
    "unsupported",  # well-formed, but not handled
]


class UserError(Exception):
    """A request that cannot be carried out.

    The message is one line: the value, what is allowed, and what to do next.

    Attributes:
        code: The kind of fault, for programs.
        key: The option, configuration key, file or entry at fault; None if there is none.
    """

    def __init__(
        self, message: str, code: ErrorCode = "invalid", key: object | None = None
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.key = None if key is None else str(key)

    def __reduce__(self) -> tuple[type[UserError], tuple[str, ErrorCode, str | None]]:
        """Support pickling with all attributes."""
        return type(self), (str(self), self.code, self.key)


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
        """Support pickling with all attributes."""
        return type(self), (self.reason, self.detail)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or else all names."""
    choices = sorted(known)
    nearest = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; known: {', '.join(choices)}"
