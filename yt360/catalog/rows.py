"""Conversion of a catalog's rows to records, with a check of every value.

SQLite stores any type in any column, and the catalog may be untrusted. Every row is
converted by the types of the record's fields, or refused as damaged.
"""

from __future__ import annotations

import math
import sqlite3
import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from yt360.catalog.ids import WATCH_URL, is_video_id
from yt360.errors import BadItem

T = TypeVar("T")
Read = Callable[[Any], Any]

LARGEST_INTEGER = 2**53
LARGEST_NUMBER = 1e12
"""About a thousand times the seconds since 1970."""


def read_record(kind: type[T], row: Mapping[str, Any], **given: Any) -> T:
    """Return a row as a dataclass, with every value checked against the type of its field.

    Accepted are texts, integers from 0 to 2^53, finite numbers from 0 to 10^12, 0 or 1 for a bool,
    the text of a JSON object for a dict, and the choices of a `typing.Literal`. A field of type
    ``Annotated[..., read]`` is converted by that function.

    Args:
        kind: The dataclass.
        row: The columns, which have the names of the fields.
        given: Values of fields that are not columns.

    Raises:
        BadItem: ``"damaged-catalog"``: a column holds another value.
    """
    values = dict(given)
    for name, read in _readers(kind):  # type: ignore[arg-type]
        if name not in values:
            try:
                values[name] = read(row[name])
            except ValueError as error:
                raise _damaged(f"{kind.__name__}.{name}", row[name], error) from None
    return kind(**values)


def read_value(kind: Any, value: Any, name: str) -> Any:
    """Return a value of the column `name`, checked as `read_record` checks a field of type `kind`.

    Raises:
        BadItem: ``"damaged-catalog"``: the value does not fit.
    """
    try:
        return _reader(kind)(value)
    except ValueError as error:
        raise _damaged(name, value, error) from None


def _damaged(name: str, value: Any, error: ValueError) -> BadItem:
    shown = f"{value!r:.60}" if isinstance(value, str | int | float) else type(value).__name__
    return BadItem(
        "damaged-catalog",
        f"the catalog contains {name} = {shown}, {error}; get the catalog again, or `yt360 catalog "
        "drop` the video",
    )


def video_id(value: Any) -> str:
    """Return a video id; raises ValueError for anything else."""
    if isinstance(value, str) and is_video_id(value):
        return value
    raise ValueError("not a video id of 11 characters")


VideoId = Annotated[str, video_id]
"""The type of a field that holds a video id."""


def with_url(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row with its ``url``, which is stored as NULL for videos on YouTube."""
    values = dict(row)
    if values["url"] is None and isinstance(values["video_id"], str):
        values["url"] = f"{WATCH_URL}{values['video_id']}"
    return values


@lru_cache
def _readers(kind: type) -> list[tuple[str, Read]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(field.name, _reader(hints[field.name])) for field in fields(kind)]


_SIMPLE: dict[Any, Read] = {}


@lru_cache
def _reader(hint: Any) -> Read:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        read: Read = arguments[1]
        return read
    if origin in (Union, types.UnionType):
        (inner,) = (_reader(each) for each in arguments if each is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin is Literal:
        return lambda value: _one_of(value, arguments)
    return _SIMPLE[origin or hint]


def _one_of(value: Any, known: tuple[Any, ...]) -> Any:
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"not one of {', '.join(known)}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("not a text")


def _integer(value: Any) -> int:
    if isinstance(value, int) and 0 <= value <= LARGEST_INTEGER:
        return value
    raise ValueError("not an integer from 0 to 2^53")


def _number(value: Any) -> float:
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= LARGEST_NUMBER:
        return float(value)
    raise ValueError("not a number from 0 to 10^12")


def _flag(value: Any) -> bool:
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise ValueError("neither 0 nor 1")


def _object(value: Any) -> dict[str, Any]:
    if value == "{}":
        return {}
    from yt360.untrusted.parsing import parse_json

    try:
        return parse_json(_text(value), dict[str, Any])
    except ValueError as error:
        raise ValueError(f"not a JSON object: {error}") from None


_SIMPLE.update({str: _text, int: _integer, float: _number, bool: _flag, dict: _object})
