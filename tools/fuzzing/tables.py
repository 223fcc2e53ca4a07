"""Changing Parquet files by columns and values, and SQLite databases by SQL."""

from __future__ import annotations

import io
import sqlite3
from itertools import count
from random import Random
from typing import Any

from fuzzing.mutate import HOSTILE, mutate_bytes, odd_value

# Parquet


def mutate_parquet(draw: Random, content: bytes) -> bytes:
    """Return a Parquet file with changed values, columns, types or bytes."""
    if draw.random() < 0.3:
        return mutate_bytes(draw, content)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    for _ in range(draw.choice((1, 1, 2, 3))):
        try:
            table = _change_table(draw, table)
        except (pa.ArrowException, ValueError, OverflowError, UnicodeEncodeError, TypeError):
            continue  # Arrow itself does not take the value
    buffer = io.BytesIO()
    try:
        options = {"compression": draw.choice(("zstd", "none", "snappy")), "row_group_size": 2}
        pq.write_table(table, buffer, **options)
    except (pa.ArrowException, ValueError):
        return mutate_bytes(draw, content)
    return buffer.getvalue()


def _change_table(draw: Random, table: Any) -> Any:
    import pyarrow as pa

    place = draw.randrange(table.num_columns or 1)
    field, values = table.schema.field(place), table.column(place).to_pylist()
    kind = draw.randrange(8)
    if kind <= 2 and values:
        row = draw.randrange(len(values))
        numbers = (-1, 0, 1, 511, 512, 2**31, 2**53, 2**63 - 1, -(2**63))
        odd = {
            pa.int64(): draw.choice(numbers),
            pa.float64(): draw.choice((-1.0, 0.0, 1e308, float("inf"), float("nan"), -1e-9)),
            pa.string(): draw.choice(HOSTILE),
        }.get(field.type)
        values[row] = odd
        return table.set_column(place, field, pa.array(values, field.type))
    if kind == 3:
        nullable = field.with_nullable(True)
        return table.set_column(place, nullable, pa.array([None] * len(values), field.type))
    if kind == 4:
        other = draw.choice((pa.string(), pa.float32(), pa.int8(), pa.list_(pa.int64()), pa.null()))
        return table.set_column(place, field.name, pa.array([None] * len(values), other))
    if kind == 5:
        return table.remove_column(place)
    if kind == 6:
        return table.append_column(draw.choice((field.name, *HOSTILE)), table.column(place))
    return draw.choice((table.slice(0, 0), table.slice(1), pa.concat_tables([table] * 3)))


# SQLite


def mutate_database(draw: Random, content: bytes) -> bytes:
    """Return an SQLite database that was changed by SQL, or whose bytes were."""
    if draw.random() < 0.3:
        return mutate_bytes(draw, content)
    with sqlite3.connect(":memory:", isolation_level=None) as connection:
        connection.deserialize(content)
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA foreign_keys = OFF")
        steps = count()  # what was planted may be endless here, too
        connection.set_progress_handler(lambda: next(steps) > 100, 1000)
        for _ in range(draw.choice((1, 1, 2, 3, 5))):
            try:
                connection.execute("PRAGMA writable_schema = OFF")
                _change_database(draw, connection)
            except (sqlite3.Error, OverflowError, UnicodeEncodeError):
                continue  # SQLite itself does not take it
        try:
            return connection.serialize()
        except sqlite3.Error:
            return mutate_bytes(draw, content)


_TABLE_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
_FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


def _change_database(draw: Random, connection: sqlite3.Connection) -> None:
    tables = [name for (name,) in connection.execute(_TABLE_NAMES)]
    table = draw.choice(tables)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    column = draw.choice(columns)
    kind = draw.random()
    if kind < 0.6:
        value = odd_value(draw)
        plain = value if isinstance(value, int | float | str | None) else b"\xff\x00blob"
        if isinstance(plain, str):
            plain = draw.choice((str(plain), f'{{"a": {plain!s}}}', plain.encode(errors="replace")))
        connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (plain,))
    elif kind < 0.7:
        connection.execute(draw.choice((f"DELETE FROM {table}", f"DROP TABLE {table}")))
    elif kind < 0.78:
        connection.execute(
            f"ALTER TABLE {table} RENAME {draw.choice((f'{column} TO gone', 'TO gone'))}"
        )
    elif kind < 0.88:
        connection.executescript(_planted(draw, table, column))
    elif kind < 0.93:
        pragma = draw.choice(("user_version", "application_id"))
        connection.execute(f"PRAGMA {pragma} = {draw.choice((0, 1, 2, 99, -1, 2**31 - 1))}")
    else:
        folder = draw.choice(("/", "/etc", "..", "../../victim", "\x00", "~", ""))
        connection.execute(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)",
            (draw.choice(("media", "split", "inspect", "filters")),
             draw.choice((f'"{folder}"', "[1]", "{", "1e999", "null", "[" * 100_000))),
        )  # fmt: skip


def _planted(draw: Random, table: str, column: str) -> str:
    """Return SQL that plants what runs, or misleads, when the catalog is read."""
    return draw.choice(
        (
            f"CREATE VIEW planted AS {_FOREVER} max(i) FROM n",
            f"ALTER TABLE {table} RENAME TO moved; CREATE VIEW {table} AS SELECT * FROM moved",
            f"DROP TABLE {table}; CREATE VIEW {table} AS {_FOREVER} i AS {column} FROM n",
            f"CREATE TRIGGER planted AFTER UPDATE ON {table} "
            f"BEGIN UPDATE {table} SET {column} = 1; END",
            "CREATE TRIGGER planted AFTER INSERT ON settings "
            f"BEGIN SELECT count(*) FROM ({_FOREVER} i FROM n); END",
            f"CREATE INDEX planted ON {table} (abs({column}))",
            f"ALTER TABLE {table} ADD COLUMN planted GENERATED ALWAYS AS (randomblob(100000000))",
            f"CREATE TABLE planted AS SELECT * FROM {table}",
            "CREATE VIRTUAL TABLE planted USING fts5(a)",
            "CREATE VIEW counters2 AS SELECT load_extension('x')",
        )
    )
