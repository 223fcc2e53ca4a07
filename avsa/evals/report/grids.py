"""Tables of records as texts, and confusion matrices with shades or as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from avsa.evals.report.contents import Grid
from avsa.evals.result import Row
from yt360.ambisonics.energy_overlay import inferno
from yt360.quality.report.drawing import data_uri
from yt360.terminal.text import shortened

MAX_ROWS, MAX_COLUMNS, MAX_TEXT = 200, 40, 300
MAX_CLASSES = 1000
"""Of a confusion matrix that is drawn."""
MOST_CONFUSED = 40
PICTURE_SIZE = 480


def grid(name: str, rows: Sequence[Row]) -> Grid:
    """Return a table as texts; that of confusions also as a matrix.

    The rows of a confusion matrix are targets, with a column for each prediction; or there is a row
    for each pair of a class and a prediction that occurs, with the columns ``class``, ``predicted``
    and a count.

    Args:
        name: Name of the table.
        rows: Its rows.
    """
    if not name.startswith("confusion"):
        return _plain(name, rows)
    return _pairs(rows) if any("predicted" in row for row in rows) else _matrix(name, rows)


def _plain(name: str, rows: Sequence[Row]) -> Grid:
    columns = list(dict.fromkeys(column for row in rows for column in row))[:MAX_COLUMNS]
    shown = tuple(
        tuple(_text(row.get(column, "")) for column in columns) for row in rows[:MAX_ROWS]
    )
    left_out = max(0, len(rows) - MAX_ROWS)
    return Grid(name.replace("_", " "), tuple(columns), shown, left_out)


def _matrix(name: str, rows: Sequence[Row]) -> Grid:
    """Return a confusion matrix, shaded by the fraction of each row."""
    plain = _plain(name, rows)
    shades = []
    for row in rows[:MAX_ROWS]:
        counts = [_count(row.get(column)) for column in plain.columns]
        total = sum(counts) or 1.0
        shades.append(tuple(count / total for count in counts))
    return replace(plain, shades=tuple(shades))


def _pairs(rows: Sequence[Row]) -> Grid:
    """Return the most frequent confusions, and the whole matrix as a picture."""
    counted = [(str(row.get("class")), str(row.get("predicted")), _last(row)) for row in rows]
    classes = list(dict.fromkeys(name for pair in counted for name in pair[:2]))
    mistakes = sorted((each for each in counted if each[0] != each[1]), key=lambda each: -each[2])
    shown = tuple((*names, f"{count:.0f}") for *names, count in mistakes[:MOST_CONFUSED])
    title = "most frequent confusions"
    left_out = max(0, len(mistakes) - MOST_CONFUSED)
    found = Grid(title, ("class", "predicted", "count"), shown, left_out)
    if not 0 < len(classes) <= MAX_CLASSES:
        return found
    number = {name: index for index, name in enumerate(sorted(classes))}
    matrix = np.zeros((len(classes), len(classes)))
    for name, predicted, count in counted:
        matrix[number[name], number[predicted]] += count
    return replace(found, picture=_drawn(matrix))


def _drawn(matrix: np.ndarray) -> str:
    """Return a picture of a confusion matrix; bright is a large fraction of the row."""
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1e-300)
    image = Image.fromarray(np.rint(inferno(shares)).astype(np.uint8))
    side = len(matrix) * max(1, PICTURE_SIZE // len(matrix))
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.NEAREST).save(file, "PNG", optimize=True)
    return data_uri(file.getvalue(), "png")


def _last(row: Row) -> float:
    """Return the count of a pair, which is its last number."""
    return next((_count(value) for value in reversed(list(row.values())) if _count(value)), 0.0)


def _count(value: object) -> float:
    is_count = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_count and 0 <= value < 1e15 else 0.0  # type: ignore[operator,arg-type]


def _text(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return shortened(text, MAX_TEXT)
