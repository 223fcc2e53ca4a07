"""The database that the tables of a catalog share: connection, transactions, clock, settings."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from yt360.errors import UserError

T = TypeVar("T")
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class Connection(sqlite3.Connection):
    """A connection that accepts any text and any integer as a parameter.

    A title may hold half of a surrogate pair, for example where it was cut within an emoji, and an
    integer any number of digits. SQLite accepts neither; `storable` replaces them.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:  # type: ignore[override]
        """Run a statement."""
        with _decodable_errors():
            return super().execute(sql, [*map(storable, parameters)])

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:  # type: ignore[override]
        """Run a statement once for each row of parameters."""
        with _decodable_errors():
            return super().executemany(sql, ([*map(storable, row)] for row in rows))


@contextmanager
def _decodable_errors() -> Iterator[None]:
    """Convert the decoding error of a message of SQLite that quotes damaged data to its error."""
    try:
        yield
    except UnicodeDecodeError as error:
        damage = sqlite3.DatabaseError(f"it is damaged: {error.object.decode(errors='replace')}")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage from None


def storable(value: Any) -> Any:
    """Return a value as SQLite can store it.

    Characters that are not Unicode become ``?``; an integer beyond 64 bits becomes None (unknown).
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER:
        return None
    return value


def as_json(value: Any) -> str:
    """Return a value as JSON text for a column."""
    # No ASCII escapes: `storable` must see the characters that it replaces.
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)


def upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """Return an INSERT of named columns that updates the row with the same key, if there is one."""
    marks = ", ".join("?" * len(columns))
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit when the block ends; roll back when the block or the commit raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


class Database:
    """An open catalog file, for one thread. A context manager that closes it.

    Args:
        path: The file, for messages.
        connection: An open connection to it.
        clock: Returns seconds since 1970.
    """

    def __init__(
        self, path: Path, connection: Connection, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.connection = connection
        self.clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error):  # its message does not name the file
            error.add_note(str(self.path))
        self.close()

    def close(self) -> None:
        """Close the connection; closing the last one merges the write-ahead log into the file."""
        self.connection.close()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement."""
        return self.connection.execute(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit when the block ends, roll back when it raises. An inner block joins the outer."""
        if self.connection.in_transaction:
            yield
            return
        with transaction(self.connection):
            yield

    def number_of(self, video_id: str) -> int:
        """Return the row number of a video.

        Raises:
            UserError: The video is not in the catalog.
        """
        row = self.execute("SELECT number FROM videos WHERE video_id = ?", (video_id,)).fetchone()
        if row is None:
            raise UserError(f"{video_id!r} is not in {self.path}", "missing", video_id)
        return int(row["number"])

    def setting(self, key: str, kind: type[T], default: T) -> T:
        """Return a stored JSON value.

        Args:
            key: Name of the setting.
            kind: Expected type.
            default: Returned when the setting is not stored.

        Raises:
            UserError: The stored value has another type.
        """
        row = self.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        if row is None:
            return default
        from yt360.untrusted.parsing import parse_json

        try:
            return parse_json(row["value"], kind)
        except ValueError as error:
            message = f"{self.path}: the setting {key!r} is damaged: {error}"
            raise UserError(message, "invalid", key) from error

    def set_setting(self, key: str, value: Any) -> None:
        """Store a JSON value."""
        sql = upsert("settings", ["key"], ["key", "value"])
        self.execute(sql, (key, json.dumps(value, sort_keys=True)))


class Table:
    """A table of a catalog.

    Args:
        database: Where its rows are.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
