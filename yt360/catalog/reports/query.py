"""Read-only queries of a catalog, by conditions or in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.lists.export import TABLES
from yt360.catalog.opening import connect
from yt360.catalog.tables.videos import check_state
from yt360.errors import UserError

_CONDITIONS = {
    "state": "state = ?",
    "reason": "reason = ?",
    "channel": "channel_id = ?",
    "split": "split = ?",
}
_READ_ACTIONS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_READ_PRAGMAS = frozenset({"index_info", "index_list", "table_info", "table_list", "table_xinfo"})
Rows = tuple[list[str], Iterator[Sequence[Any]]]


def select_videos(
    catalog: Catalog, limit: int, columns: Sequence[str], **criteria: str | None
) -> Rows:
    """Return the columns and rows of the videos that meet all conditions.

    Args:
        catalog: The catalog.
        limit: Maximum number of rows; 0 for all.
        columns: Names of the ``videos`` table of `yt360.catalog.lists.export.TABLES`.
        criteria: ``state``, ``reason``, ``channel``, ``split``; None for no condition.
    """
    check_state(criteria.get("state"))
    given = {name: value for name, value in criteria.items() if value is not None}
    where = " AND ".join(_CONDITIONS[name] for name in given) or "1"
    base, _, order = TABLES["videos"].rpartition(" ORDER BY ")
    sql = f"{base} WHERE {where} ORDER BY {order} LIMIT ?"
    cursor = catalog.execute(
        f"SELECT {', '.join(columns)} FROM ({sql})", (*given.values(), limit or -1)
    )
    return list(columns), cursor


def run_sql(catalog: Catalog, sql: str, limit: int) -> Rows:
    """Return the columns and rows of an SQL query, run on a connection that can only read.

    The query sees committed data. It can neither open other files nor change settings.

    Raises:
        UserError: SQLite refuses the query.
    """
    with closing(connect(catalog.path, read_only=True)) as connection:
        connection.set_authorizer(_allow_reads)
        try:
            cursor = connection.execute(sql)
            columns = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchmany(limit) if limit else cursor.fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            message = f"SQLite refuses the query (it can only read): {error}"
            raise UserError(message, "forbidden", "sql") from error
    return columns, iter(rows)


def _allow_reads(action: int, first: str | None, *_: str | None) -> int:
    """Allow reading tables and listing their columns; a callback for SQLite's authorizer."""
    is_read_pragma = action == sqlite3.SQLITE_PRAGMA and first in _READ_PRAGMAS
    allowed = action in _READ_ACTIONS or is_read_pragma
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
