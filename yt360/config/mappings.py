"""Nested mappings, as YAML and JSON give them, to configurations and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from yt360.config.classes import adapter
from yt360.config.errors import user_error
from yt360.errors import UserError

T = TypeVar("T")


def from_mapping(
    config: type[T],
    value: Any,
    where: str = "",
    renamed: Callable[[str], str | None] | None = None,
) -> T:
    """Return a configuration from nested mappings, lists and plain values.

    Args:
        config: The class of the configuration.
        value: A mapping. Whole numbers will do for numbers, lists for tuples.
        where: Dotted name of this value, for error messages.
        renamed: Returns the new name of a dotted key that was renamed, or None.

    Raises:
        UserError: A key is unknown (the message names the nearest one, or its new name), or a value
            is not allowed.
    """
    try:
        # As JSON, since pydantic is strict about Python's types: a list would be no tuple.
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"{where or 'it'} is not made of plain values: {error}", key=where
        ) from None
    try:
        return adapter(config).validate_json(text)
    except ValidationError as error:
        raise user_error(error, config, where, renamed) from None


def to_mapping(config: Any) -> Any:
    """Return nested dicts, lists and plain values; `from_mapping` gives the configuration back."""
    return to_jsonable_python(config)


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted name -> plain value of nested mappings."""
    flat: dict[str, Any] = {}
    for key, item in mapping.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def merged(
    base: Mapping[str, Any],
    changes: Mapping[str, Any],
    replaces: Callable[[str, Mapping[str, Any], Mapping[str, Any]], bool] | None = None,
    where: str = "",
) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; None removes a key.

    Args:
        base: Nested mappings.
        changes: Nested mappings.
        replaces: Whether the mapping at a dotted key replaces the former one (the arguments are
            key, former, changes) instead of being laid over it.
        where: Dotted name of `base` with a final dot, empty for the outermost.
    """
    result = dict(base)
    for key, item in changes.items():
        if item is None:
            result.pop(key, None)
        elif isinstance(item, Mapping):
            below = result.get(key)
            if not isinstance(below, Mapping) or (replaces and replaces(where + key, below, item)):
                below = {}
            result[key] = merged(below, item, replaces, f"{where}{key}.")
        else:
            result[key] = item
    return result
