"""A connection to a catalog's file: what can be stored, and transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_LEAST, _MOST = -(2**63), 2**63 - 1


class Connection(sqlite3.Connection):
    """A connection that stores whatever a page says.

    A title may hold half a surrogate pair, as one that was cut in the middle of an emoji does, and
    a length any number of digits. SQLite takes neither: see `storable`.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        """Run a statement."""
        with _damage_named():
            return super().execute(sql, [*map(storable, parameters)])

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:  # type: ignore[override]
        """Run a statement for each row of parameters."""
        with _damage_named():
            return super().executemany(sql, ([*map(storable, row)] for row in rows))


@contextmanager
def _damage_named() -> Iterator[None]:
    """Raise what SQLite means where Python cannot decode its message, which names damaged parts."""
    try:
        yield
    except UnicodeDecodeError as error:
        damage = sqlite3.DatabaseError(f"it is damaged: {error.object.decode(errors='replace')}")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage from None


def storable(value: Any) -> Any:
    """Return a value as SQLite can store it.

    What of a text is no Unicode becomes ``?``; an integer beyond 64 bits becomes None, unknown.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        return None
    return value


def as_json(value: Any) -> str:
    """Return a value as the JSON text of a column, in which `storable` finds what it replaces."""
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: commit when the block ends, roll back when it or the commit raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise
