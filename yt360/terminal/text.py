r"""Escaping of untrusted text for output.

Titles, file names, JSON strings and messages of libraries may contain characters that
control the terminal (escape sequences), that hide or reorder other characters (zero width,
bidirectional overrides) or that break lines. `printable` shows these as escapes, such as ``\x1b``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def printable(text: object) -> str:
    r"""Return text as one line in which every character is visible.

    Control and format characters, line and paragraph separators, lone surrogates, private and
    unassigned characters become escapes as in Python's ``repr``: ``\x1b``, ``\n``, ``\u202e``.
    A byte of a file name that is not UTF-8, which Python holds as a lone surrogate, becomes that
    byte: ``\xff``. Spaces of all widths and the backslash stay, so the function is
    idempotent.

    Args:
        text: Anything; `str` is called on it.
    """
    return _escaped(str(text), _python_escape)


def shortened(text: str, max_length: int = 2000) -> str:
    """Shorten text to `max_length` characters by cutting out its middle."""
    if len(text) <= max_length:
        return text
    half = (max_length - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def json_text(value: Any, indent: int | None = None) -> str:
    r"""Return JSON that holds the same value and no character that `printable` would escape.

    Such characters become JSON's own escapes (``\u001b``), and only the line ends of `indent` stay.

    Args:
        value: What `json.dumps` takes; bytes become hexadecimal digits.
        indent: As of `json.dumps`.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=bytes.hex)
    lines = text.split("\n")  # inside of strings, JSON escapes line feeds
    return "\n".join(_escaped(line, _json_escape) for line in lines)


def plot_text(text: object) -> str:
    r"""Return printable text that Matplotlib draws literally, without formulas (``$...$``)."""
    return printable(text).replace("$", r"\$")


def markdown_code(text: object) -> str:
    """Return printable text as Markdown code, in which nothing is markup."""
    shown = printable(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 shard", "2 shards"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def columns(text: str) -> int:
    """Return the width of a printable text in columns of a terminal.

    East Asian wide characters take two, combining marks none (Unicode Standard Annex 11).
    """
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def table(rows: Iterable[Sequence[object]], left: int | None = None) -> list[str]:
    """Return rows as lines, with printable cells padded to the width of their column.

    Args:
        rows: All of the same length.
        left: Number of left-aligned columns; the others are right-aligned. None for all.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        filled = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - columns(cell))
            filled.append(cell + space if left is None or number < left else space + cell)
        lines.append("  ".join(filled).rstrip())
    return lines


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or unicodedata.category(character) == "Zs"
        else escape(character)
        for character in text
    )  # fmt: skip


def _python_escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name, see PEP 383
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
