"""Parse untrusted JSON into values of known types."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from yt360.untrusted.files import MAX_JSON_BYTES, read_limited

T = TypeVar("T")

Count = Annotated[int, Field(ge=0, le=2**53)]
"""An integer from 0 to 2^53, the largest range that floats represent exactly."""
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
"""Seconds, from 0 to 10^9 (thirty years)."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal digits."""
_VALUE_SHOWN = 60


def parse_json(content: bytes | str, kind: type[T]) -> T:
    """Parse a JSON text and validate its type.

    Values are not converted: ``"5"`` and ``true`` are not numbers. Lists and objects may be nested
    200 levels deep.

    Args:
        content: UTF-8.
        kind: Expected type: a dataclass, of which unknown keys are ignored, or any type that
            pydantic supports, such as ``dict[str, Any]``.

    Raises:
        ValueError: It is not JSON, or does not match `kind`; the message states where and why.
    """
    try:
        adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type]
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        raise ValueError(describe(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(
    path: Path, kind: type[T], max_bytes: int = MAX_JSON_BYTES, inside: Path | None = None
) -> T:
    """Return the value of a JSON file, see `parse_json` and `read_limited`.

    Raises:
        ValueError: It is not a regular file inside `inside`, too long, or does not match `kind`.
        OSError: It does not exist or cannot be read.
    """
    return parse_json(read_limited(path, max_bytes, inside), kind)


def describe(error: ValidationError) -> str:
    """Describe the first problem that pydantic found in one line: position, problem and value."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    text = first["msg"].removeprefix("Value error, ")
    if first["type"] not in ("json_invalid", "missing", "value_error"):
        value = repr(first["input"]) if isinstance(first["input"], str | int | float) else ""
        text += f", not {value[:_VALUE_SHOWN]}" if value else ""
    more = error.error_count() - 1
    return (f"{where}: " if where else "") + text + (f" (and {more} more)" if more else "")


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
