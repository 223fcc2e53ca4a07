"""Export of a catalog's tables as CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from yt360.catalog.catalog import Catalog
from yt360.catalog.ids import is_video_id
from yt360.errors import BadItem, UserError, did_you_mean
from yt360.files import atomic_write
from yt360.terminal.text import json_text

FileFormat = Literal["csv", "jsonl", "parquet"]
SUFFIXES: dict[str, FileFormat] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_JSON_COLUMNS = frozenset({"facts", "numbers"})
_ROWS_PER_GROUP = 20_000
_LINE_END = "\r\n"  # the csv module quotes texts with one of these characters

_VIDEO = "SELECT video_id, {columns} FROM {table} JOIN videos ON videos.number = {table}.video"
TABLES: dict[str, str] = {
    "videos": (
        "SELECT video_id, ifnull(url, 'https://www.youtube.com/watch?v=' || video_id) AS url, "
        "state, reason, detail, split, title, channel_id, channel, license, upload_date, "
        "duration_s, projection, spatial_audio, tries, "
        "(SELECT count(*) FROM clips WHERE video = videos.number AND kept) AS clips_kept, "
        "facts, added_at, changed_at "
        "FROM videos LEFT JOIN splits ON splits.video = videos.number ORDER BY number"
    ),
    "clips": _VIDEO.format(
        table="clips", columns="start_s, clips.duration_s, kept, clips.reason, origin, numbers"
    )
    + " ORDER BY clips.video, start_s",
    "verdicts": _VIDEO.format(table="verdicts", columns="kind, verdict, numbers, made_at")
    + " ORDER BY verdicts.video, kind",
    "attempts": _VIDEO.format(
        table="attempts",
        columns="job, worker, started_at, ended_at, outcome, attempts.reason, attempts.detail",
    )
    + " ORDER BY attempts.number",
    "files": _VIDEO.format(
        table="files", columns="role, start_s, end_s, path, bytes, format_id, files.facts"
    )
    + " ORDER BY files.video, role DESC, start_s",
}
"""The query of each table; the order of rows is fixed."""


def export_table(
    catalog: Catalog, table: str, path: Path, file_format: FileFormat | None = None
) -> int:
    """Write a table to a file, atomically; return the number of rows.

    Args:
        catalog: The catalog.
        table: A key of `TABLES`.
        path: The file.
        file_format: ``"csv"``, ``"jsonl"`` or ``"parquet"``; None for that of the file's suffix.

    Raises:
        UserError: The table or the suffix is unknown.
    """
    if table not in TABLES:
        raise UserError(f"no table {table!r}{did_you_mean(table, TABLES)}", "unknown-name", table)
    chosen = file_format or SUFFIXES.get(path.suffix.lower())
    if chosen is None:
        message = f"{path.name} ends in none of {', '.join(SUFFIXES)}; give --format"
        raise UserError(message, "unknown-name", path.suffix)
    columns, batches = _read(catalog, TABLES[table])
    if chosen == "parquet":
        with atomic_write(path) as file:
            return _write_parquet(file, columns, batches)
    with atomic_write(path, "w") as file:
        rows = (row for batch in batches for row in batch)
        lines = 0
        for lines, line in enumerate(row_lines(columns, rows, chosen), 1):  # noqa: B007
            file.write(line + "\n")
    return lines - (chosen == "csv")


def row_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], file_format: FileFormat
) -> Iterator[str]:
    """Yield rows as CSV, with a header first, or as JSON lines; without line ends.

    CSV cells are made by `csv_cell`. In JSON lines, the columns ``facts`` and ``numbers`` are
    decoded, bytes are written as hexadecimal digits, and control characters are escaped.
    """
    if file_format == "csv":
        record = csv.writer(_EchoFile(), lineterminator=_LINE_END).writerow
        yield record(columns)
        yield from (record([*map(csv_cell, row)]) for row in rows)
        return
    for row in rows:
        values = dict(zip(columns, row, strict=True))
        for name in _JSON_COLUMNS.intersection(values):
            values[name] = _decoded(values[name])
        yield json_text(values)


def csv_cell(value: Any) -> Any:
    """Return a value for a CSV file that a spreadsheet does not run as a formula.

    Titles are not trusted, and spreadsheets run a text that begins with ``=``, ``+``, ``-``, ``@``,
    a tab or a carriage return. Such a text gets a leading apostrophe. Numbers and video ids, which
    may begin with ``-`` but are harmless, are not changed.
    """
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky and not is_video_id(value) else value


class _EchoFile:
    """A file whose ``write`` returns the text, so that ``csv.writer.writerow`` returns its line."""

    def write(self, text: str) -> str:
        return text.removesuffix(_LINE_END)


def _decoded(value: Any) -> Any:
    """Decode JSON text; return any other value unchanged, because a query may rename columns."""
    if value == "{}":
        return {}
    from yt360.untrusted.parsing import parse_json

    try:
        return parse_json(value, Any) if isinstance(value, str) else value
    except ValueError:
        return value


def _read(catalog: Catalog, sql: str) -> tuple[list[str], Iterator[list[tuple[Any, ...]]]]:
    """Return the columns of a query and its rows in batches."""
    cursor = catalog.execute(sql)
    columns = [column[0] for column in cursor.description]

    def batches() -> Iterator[list[tuple[Any, ...]]]:
        while rows := cursor.fetchmany(_ROWS_PER_GROUP):
            yield [tuple(row) for row in rows]

    return columns, batches()


def _write_parquet(
    file: IO[bytes], columns: Sequence[str], batches: Iterator[list[tuple[Any, ...]]]
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        **dict.fromkeys(("start_s", "end_s", "duration_s"), pa.float64()),
        **dict.fromkeys(("added_at", "changed_at", "made_at"), pa.float64()),
        **dict.fromkeys(("started_at", "ended_at"), pa.float64()),
        **dict.fromkeys(("tries", "clips_kept", "bytes"), pa.int64()),
        "kept": pa.bool_(),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        for rows in batches:
            values = zip(*rows, strict=True)
            try:
                arrays = [
                    pa.array(map(bool, column) if field.name == "kept" else column, field.type)
                    for field, column in zip(schema, values, strict=True)
                ]
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise BadItem(
                    "damaged-catalog", f"a value of another type: {error!s:.100}"
                ) from error
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
    return count
