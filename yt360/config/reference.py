"""The reference of a configuration: every key as plain text, and a JSON schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from pydantic import TypeAdapter

from yt360.config.ranges import Schema, allowed, resolved

NAME = "NAME"
"""Stands for a key that the user chooses."""
WIDTH = 96


def key_reference(config: type) -> list[str]:
    """Return every key of a config class with type, range, default and meaning, as lines.

    Keys are dotted names; ``NAME`` stands for a key that the user chooses. A key that only some
    kinds of a section have is followed by these kinds. Entries of plugins are included.
    """
    root = TypeAdapter(config).json_schema()
    return [*_lines("", root, root, "")][2:]


def partial_schema(config: type) -> dict[str, Any]:
    """Return a JSON schema of files that give some keys of a config class.

    No key is required, since the others keep their defaults or come from elsewhere, and every value
    may be null, which removes the key.
    """
    partial: dict[str, Any] = _partial(TypeAdapter(config).json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **partial}


def _lines(name: str, schema: Schema, root: Schema, kinds: str) -> Iterator[str]:
    whole = resolved(schema, root)
    text = schema.get("description") or whole.get("description", "")
    below = whole.get("additionalProperties")
    if "oneOf" in whole:
        yield from ("", f"{name}{kinds}: {text}")
        yield from _choice(name, whole, root)
    elif "properties" in whole:
        yield from ("", f"{name}{kinds}: {text}")
        prefix, defaults = f"{name}." if name else "", schema.get("default") or {}
        blocks = [
            tuple(_lines(prefix + key, _with_default(each, key, defaults), root, kinds))
            for key, each in whole["properties"].items()
        ]
        for block in sorted(blocks, key=lambda lines: not lines[0]):  # sections come last
            yield from block
    elif isinstance(below, dict):
        yield from _lines(f"{name}.{NAME}", {**below, "description": text}, root, kinds)
    else:
        yield from _key(f"{name}{kinds}", allowed(schema), schema, [text])


def _with_default(schema: Schema, key: str, defaults: dict[str, Any]) -> Schema:
    """Return the schema of a key of a section, with the default that the section has for it."""
    return {**schema, "default": defaults[key]} if key in defaults else schema


def _choice(name: str, section: Schema, root: Schema) -> Iterator[str]:
    """Yield the lines of a section with kinds: `kind`, then the keys of each kind."""
    options = {each["properties"]["kind"]["const"]: each for each in section["oneOf"]}
    about = [f"{kind}: {each['description']}" for kind, each in options.items()]
    default = {"default": section.get("default", {}).get("kind")}
    yield from _key(f"{name}.kind", f"one of: {', '.join(options)}", default, about)
    keys: dict[tuple[str, ...], tuple[str, Schema, list[str]]] = {}
    for kind, each in options.items():
        for key, schema in each["properties"].items():
            if key != "kind":
                lines = tuple(_lines(f"{name}.{key}", schema, root, ""))
                keys.setdefault(lines, (key, schema, []))[2].append(kind)
    for key, schema, kinds in keys.values():
        note = "" if len(kinds) == len(options) else f" (kind {', '.join(kinds)})"
        yield from _lines(f"{name}.{key}", schema, root, note)


def _key(name: str, values: str, schema: Schema, texts: list[str]) -> Iterator[str]:
    value = schema.get("default")
    default = value if isinstance(value, str) else json.dumps(value)
    yield f"  {name}  {values}; " + (f"default {default}" if "default" in schema else "required")
    for text in texts:
        yield from wrap(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _partial(schema: Any) -> Any:
    """Return a schema whose keys are optional and may be null."""
    if not isinstance(schema, dict):
        return [_partial(each) for each in schema] if isinstance(schema, list) else schema
    kept = {key: each for key, each in schema.items() if key not in ("required", "title")}
    result = {key: _partial(each) for key, each in kept.items()}
    if "oneOf" in result:  # without a kind, several may accept it
        result["anyOf"] = result.pop("oneOf")
    if isinstance(below := result.get("additionalProperties"), dict):
        result["additionalProperties"] = _or_null(below)
    if "properties" in schema:
        result["properties"] = {
            key: _or_null(_partial(each)) for key, each in schema["properties"].items()
        }
    return result


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {
        key: schema[key] for key in ("description", "default") if key in schema
    }
    bare = {key: each for key, each in schema.items() if key not in about}
    return {"anyOf": [bare, {"type": "null"}], **about}
