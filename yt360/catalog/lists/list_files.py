"""Files with a list of videos: Parquet, CSV, or lines of text, recognized by their content.

Files are read in batches, so a list of any length needs little memory. A cell is a text, a number
or None.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from yt360.catalog.lists.cells import is_plain_word, seconds_of, video_of
from yt360.errors import UserError
from yt360.untrusted.files import open_regular

FileKind = Literal["lines", "CSV", "Parquet"]
Row = tuple[Any, ...]

ROWS_PER_BATCH = 10_000
SAMPLE_ROWS = 1000
"""Number of rows at the beginning that decide on the format and on the columns."""
MAX_LINE_BYTES = 1 << 20
MAX_COLUMNS = 1000
_PARQUET_MAGIC = b"PAR1"
_DELIMITERS = (",", "\t", ";", " ")
_HEADER_WORDS = ("video", "youtube", "title", "channel", "url", "link", "start")


@dataclass(frozen=True)
class ListFile:
    """A file with one row for each video or clip.

    Attributes:
        columns: Names of the columns; ``"column 1"`` and so on where the file has no header.
        has_header: Whether the columns have names.
        sample: The first rows.
        delimiter: Delimiter of CSV.
    """

    path: Path
    kind: FileKind
    columns: tuple[str, ...]
    has_header: bool
    sample: tuple[Row, ...]
    delimiter: str = ""

    def rows(self, columns: Sequence[int]) -> Iterator[Row]:
        """Yield the cells of some columns of every row; None for a cell that a row lacks.

        Raises:
            UserError: The file cannot be read to its end.
        """
        if self.kind == "Parquet":
            yield from _parquet_rows(self.path, [self.columns[each] for each in columns])
            return
        rows = _text_rows(self.path, self.delimiter)
        for row in islice(rows, int(self.has_header), None):
            yield tuple(row[each] if each < len(row) else None for each in columns)


def batches(rows: Iterator[Row], size: int = ROWS_PER_BATCH) -> Iterator[list[Row]]:
    """Yield rows in lists of at most `size`."""
    while batch := list(islice(rows, size)):
        yield batch


def open_list(path: Path) -> ListFile:
    """Recognize the format of a list by its content and read its first rows.

    A file that begins as Parquet is Parquet. Text is ``lines`` if every line begins with a YouTube
    id or address, followed by nothing or by start seconds; any other text is CSV, delimited by the
    first of comma, tab, semicolon and space that its first line contains. CSV has a header unless
    its first row contains an id or an address. Lines that begin with ``#`` are left out.

    Raises:
        UserError: The file cannot be read, is neither Parquet nor UTF-8 text, or has no rows.
    """
    with _readable(path), open_regular(path) as file:
        magic = file.read(len(_PARQUET_MAGIC))
    if magic == _PARQUET_MAGIC:
        names = _parquet_columns(path)
        sample = tuple(islice(_parquet_rows(path, names, SAMPLE_ROWS), SAMPLE_ROWS))
        found = ListFile(path, "Parquet", tuple(names), True, sample)
    else:
        found = _open_text(path)
    if not found.sample:
        raise UserError(f"{path} has no rows", "empty", path)
    return found


def _open_text(path: Path) -> ListFile:
    lines = list(islice(_lines(path), SAMPLE_ROWS))
    if not lines:
        raise UserError(f"{path} is empty; give a list of videos", "empty", path)
    are_lines = all(map(_is_plain_line, lines)) and not is_plain_word(lines[0])
    delimiter = "" if are_lines else next((d for d in _DELIMITERS if d in lines[0]), ",")
    rows = list(islice(_text_rows(path, delimiter), SAMPLE_ROWS + 1))
    has_header = not are_lines and _is_header(rows[0])
    width = len(rows[0]) if has_header else max(map(len, rows))
    if width > MAX_COLUMNS:
        message = f"{path} has {width} columns, more than {MAX_COLUMNS}"
        raise UserError(message, "out-of-range", path)
    names = [str(each).strip() for each in rows[0]] if has_header else [""] * width
    return ListFile(
        path,
        "lines" if are_lines else "CSV",
        tuple(name or f"column {number}" for number, name in enumerate(names, 1)),
        has_header,
        tuple(rows[int(has_header) :]),
        delimiter,
    )


def _is_plain_line(line: str) -> bool:
    first, *rest = line.split(None, 1)
    return video_of(first) is not None and (not rest or bool(seconds_of(rest[0])))


def _is_header(row: Row) -> bool:
    """Return whether no cell is an id or an address; ``description`` has 11 letters like an id."""
    return all(
        video_of(cell) is None
        or is_plain_word(cell)
        or ("/" not in cell and any(word in cell.lower() for word in _HEADER_WORDS))
        for cell in row
    )


def _text_rows(path: Path, delimiter: str) -> Iterator[Row]:
    """Yield the rows of CSV or, without a delimiter, an id and the rest of each line."""
    if not delimiter:
        yield from (tuple(line.split(None, 1)) for line in _lines(path))
        return
    with _readable(path):
        reader = csv.reader(_lines(path), delimiter=delimiter, skipinitialspace=True)
        yield from (tuple(row) for row in reader if any(row))


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file that are not empty and no comment."""
    with _readable(path), open_regular(path) as file:
        encoding = "utf-8-sig"
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(f"a line is longer than {MAX_LINE_BYTES} bytes")
            text = line.decode(encoding)
            encoding = "utf-8"
            if text.strip() and not text.startswith("#"):
                yield text


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        message = f"cannot read {path}: it is neither Parquet nor text in UTF-8"
        raise UserError(message, "invalid", path) from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}", "system", path) from error


def _parquet_columns(path: Path) -> list[str]:
    """Return the columns of texts and numbers; lists and records are left out."""
    import pyarrow.types as kinds

    def is_simple(kind: Any) -> bool:
        if kinds.is_dictionary(kind):
            kind = kind.value_type
        texts = kinds.is_string(kind) or kinds.is_large_string(kind)
        return texts or kinds.is_integer(kind) or kinds.is_floating(kind)

    with _parquet(path) as file:
        return [field.name for field in file.schema_arrow if is_simple(field.type)][:MAX_COLUMNS]


def _parquet_rows(path: Path, names: Sequence[str], size: int = ROWS_PER_BATCH) -> Iterator[Row]:
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=size, columns=[*names]):
            yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _readable(path), open_regular(path) as content:
        try:
            yield pq.ParquetFile(content, pre_buffer=False)
        except (pa.ArrowException, KeyError) as error:
            message = f"cannot read {path}: {' '.join(str(error).split())[:200]}"
            raise UserError(message, "invalid", path) from error
