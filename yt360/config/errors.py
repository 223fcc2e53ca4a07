"""What pydantic finds wrong with a configuration, in one line with the key and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from yt360.config.ranges import allowed, schema_at
from yt360.errors import ErrorCode, UserError, did_you_mean
from yt360.terminal.text import shortened

UNKNOWN = "unexpected_keyword_argument"
CODES: dict[str, ErrorCode] = {
    "conflict": "conflict",
    "finite_number": "out-of-range",
    "greater_than": "out-of-range",
    "greater_than_equal": "out-of-range",
    "less_than": "out-of-range",
    "less_than_equal": "out-of-range",
    "literal_error": "unknown-name",
    "missing": "missing",
    "unknown_kind": "unknown-name",
    UNKNOWN: "unknown-name",
}
"""Codes by pydantic's types of errors; all others are ``"invalid"``."""


def user_error(
    error: ValidationError,
    config: type,
    where: str = "",
    renamed: Callable[[str], str | None] | None = None,
) -> UserError:
    """Return an error that says the first thing to mend: an unknown key before a wrong value.

    Args:
        error: What pydantic raised.
        config: The class that was to be made.
        where: Dotted name of the configuration, empty for the outermost.
        renamed: Returns the new name of a dotted key that was renamed, or None.
    """
    errors = error.errors(include_url=False)
    first = next((each for each in errors if each["type"] == UNKNOWN), errors[0])
    key = ".".join([*([where] if where else []), *map(str, first["loc"])])
    context = first.get("ctx", {})
    if first["type"] == "section":
        return user_error(context["error"], context["config"], key, renamed)
    message = _message(first, key, config, renamed)
    return UserError(message, code=CODES.get(first["type"], "invalid"), key=key)


def _message(
    error: Mapping[str, Any],
    key: str,
    config: type,
    renamed: Callable[[str], str | None] | None,
) -> str:
    name = shortened(key, 120)
    if error["type"] in ("conflict", "unknown_kind"):
        return f"{name}: {error['msg']}" if name else str(error["msg"])
    schema = TypeAdapter(config).json_schema()
    if error["type"] == UNKNOWN:
        if new := renamed and renamed(key):
            return f"{name} is called {new} now; rename it"
        known = schema_at(schema, error["loc"][:-1]).get("properties", {})
        last = shortened(str(error["loc"][-1]), 80)
        return f"unknown key {name}{did_you_mean(last, known)}"
    values = allowed(schema_at(schema, error["loc"]))
    if error["type"] == "missing":
        return f"{name} is missing; give {values}"
    value = error["input"]
    kind = f" ({type(value).__name__})" if error["type"].endswith("_type") else ""
    return f"{name or 'the value'} is {shortened(repr(value), 80)}{kind}; it must be {values}"
