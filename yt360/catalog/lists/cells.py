"""Cells of lists: ids and addresses of videos, seconds, and splits."""

from __future__ import annotations

import math
import re
from typing import Any

from yt360.catalog.ids import is_video_id, youtube_id_of
from yt360.errors import UserError
from yt360.splits import Split

MAX_CELL = 2048
"""Maximum length of an id, an address, a time or a split."""
MAX_SECONDS = 1e9
_ID_WITH_START = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{1,9}(?:\.[0-9]{1,9})?)")
_CLOCK = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,18})?")
_WORD = re.compile(r"[A-Z]?[a-z_-]+|[A-Z_-]+")
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def video_of(cell: Any) -> tuple[str, float | None] | None:
    """Return the id in a cell and the start in seconds that it contains, or None.

    A cell is an id, the address of a YouTube video with or without ``https://``, or
    ``ID_START``, as ``kqAZkf5Odyw_80``; only the last one contains a start.
    """
    if not isinstance(cell, str) or len(cell) > MAX_CELL:
        return None
    text = cell.strip()
    if is_video_id(text):
        return text, None
    if match := _ID_WITH_START.fullmatch(text):
        return match[1], float(match[2])
    if "youtu" not in text.lower():
        return None
    try:
        found = youtube_id_of(text if "://" in text else f"https://{text}")
    except UserError:
        return None
    return None if found is None else (found, None)


def is_plain_word(cell: Any) -> bool:
    """Return whether a text is a word such as ``description``, which has 11 letters like an id.

    One random id of 10,000 is one, too: decide by many cells.
    """
    return isinstance(cell, str) and _WORD.fullmatch(cell.strip()) is not None


def seconds_of(cell: Any) -> list[float] | None:
    """Return the times in a cell in seconds, 0 to 10^9; None if it is something else or empty.

    Accepted are a number, a clock time (``1:02:30``, ``2:30.5``), and several numbers with commas,
    as in ``54,68,78``.
    """
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return [float(cell)] if math.isfinite(cell) and 0 <= cell < MAX_SECONDS else None
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (float(each or 0) for each in match.groups())
        return [3600 * hours + 60 * minutes + seconds]
    fields = [each.strip() for each in text.strip("[]").split(",")]
    if not all(map(_NUMBER.fullmatch, fields)):
        return None
    return [float(field) for field in fields]


def split_of_cell(cell: Any) -> Split | None:
    """Return ``"train"`` or ``"test"`` for a cell that names this split, else None."""
    return _SPLITS.get(cell.strip().lower()) if isinstance(cell, str) else None
