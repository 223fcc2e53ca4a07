"""Plain mappings (YAML) to frozen dataclasses and back, with errors that say how to mend them."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from avsa.config.renamed import new_name
from yt360.errors import UserError, did_you_mean
from yt360.terminal.text import shortened

T = TypeVar("T")
LARGEST_INTEGER = 2**53
"""Of every whole number in a recipe."""


def from_mapping(kind: type[T], value: Any, where: str = "") -> T:
    """Return a dataclass of type `kind` from nested mappings.

    Understood are dataclasses, ``dict[str, X]``, ``tuple[X, ...]``, ``Literal``, ``X | None``, and
    bool, int, float (a whole number will do) and str.

    Args:
        kind: The type to make.
        value: A mapping, a list or a plain value.
        where: Dotted name of this value, for error messages.

    Raises:
        UserError: An unknown key (names the nearest known one) or a value of the wrong type.
    """
    return _convert(kind, value, where)


def require_at_most(where: str, config: object, **limits: float) -> None:
    """Check upper limits, beyond which a number is a mistake or would exhaust the machine.

    Args:
        where: Name of the part of the recipe, for the message.
        config: The part.
        limits: By name of an attribute; one that is None passes.

    Raises:
        UserError: A number is above its limit.
    """
    for name, most in limits.items():
        value = getattr(config, name)
        if value is not None and not value <= most:
            raise UserError(f"{where}.{name} is {value:g}; at most {most:g} is allowed")


def to_mapping(value: Any) -> Any:
    """Return nested dicts, lists and plain values; `from_mapping` gives the dataclass back."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_mapping(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: to_mapping(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_mapping(item) for item in value]
    return value


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted name -> plain value of nested mappings."""
    flat: dict[str, Any] = {}
    for key, item in mapping.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; None removes a key."""
    result = dict(base)
    for key, item in changes.items():
        if item is None:
            result.pop(key, None)
        elif isinstance(item, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], item)
        elif isinstance(item, Mapping):
            result[key] = merged({}, item)
        else:
            result[key] = item
    return result


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _convert_dataclass(kind, value, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise UserError(f"{where} is {_shown(value)}; it must be one of: {choices}")
        return value
    if origin in (Union, types.UnionType):
        rest = [argument for argument in arguments if argument is not type(None)]
        return None if value is None else _convert(rest[0], value, where)
    if origin is dict:
        items = _require(value, Mapping, where, "a mapping").items()
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in items}
    if origin is tuple:
        items = _require(value, list | tuple, where, "a list")
        return tuple(_convert(arguments[0], item, f"{where}.{i}") for i, item in enumerate(items))
    return _convert_plain(kind, value, where)


def _convert_dataclass(kind: Any, value: Any, where: str) -> Any:
    mapping = _require(value, Mapping, where or kind.__name__, "a mapping")
    types_of = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    prefix = f"{where}." if where else ""
    for key in mapping:
        if key not in names:
            name = shortened(str(key), 80)
            if renamed := new_name(f"{prefix}{key}"):
                raise UserError(
                    f"{prefix}{name} is called {renamed} now; rename it",
                    code="unknown-name",
                    key=f"{prefix}{key}",
                )
            raise UserError(f"unknown key {prefix}{name}{did_you_mean(name, names)}")
    converted = {
        key: _convert(types_of[key], item, f"{prefix}{key}") for key, item in mapping.items()
    }
    return kind(**converted)


def _convert_plain(kind: Any, value: Any, where: str) -> Any:
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1023 else math.inf
    if kind is float and isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where} is {value}; it must be a finite number")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _other_type(where, value, words[kind])
    if kind is int and abs(value) > LARGEST_INTEGER:
        raise UserError(f"{where} is {_shown(value)}; at most {LARGEST_INTEGER} is allowed")
    return value


def _require(value: Any, kind: Any, where: str, words: str) -> Any:
    if not isinstance(value, kind):
        raise _other_type(where, value, words)
    return value


def _other_type(where: str, value: Any, words: str) -> UserError:
    return UserError(f"{where} is {_shown(value)} ({type(value).__name__}); it must be {words}")


def _shown(value: Any) -> str:
    return shortened(repr(value), 80)
