"""Reading the JSON schema of a configuration: its parts, and what values are allowed in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


def resolved(schema: Schema, root: Schema) -> Schema:
    """Return a schema without reference and without null, with the names of its own level."""
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        return resolved(choices[0], root)
    reference = schema.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else schema


def schema_at(root: Schema, path: Sequence[str | int]) -> Schema:
    """Return the schema of the value at a path of keys and positions; empty where none is known."""
    schema = root
    for key in path:
        schema = resolved(schema, root)
        names = schema.get("properties") or dict(enumerate(schema.get("prefixItems", ())))
        schema = names.get(key) or schema.get("additionalProperties") or schema.get("items") or {}
        if not isinstance(schema, Mapping):
            return {}
    null = {"nullable": True} if _is_nullable(schema) else {}
    return {**resolved(schema, root), **null}


def allowed(schema: Schema) -> str:
    """Return the values that a schema allows, such as ``"a number above 0 and at most 1"``."""
    text = _allowed(schema)
    return f"{text}, or null" if schema.get("nullable") or _is_nullable(schema) else text


def _is_nullable(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _allowed(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of: {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    if choices := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]:
        return " or ".join(map(_allowed, choices))
    kind = _TYPES.get(schema.get("type", "object"), "a value")
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        return f"{kind}, each {_allowed(schema['items'])}"
    if items := schema.get("prefixItems"):
        return f"{kind} of {len(items)}, each {' or '.join(dict.fromkeys(map(_allowed, items)))}"
    return f"{kind}{_range(schema)}"


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    multiple = f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}{multiple}"
    lower = f"above {_number(above)}" if above is not None else ""
    lower = f"at least {_number(least)}" if least is not None else lower
    upper = f"below {_number(below)}" if below is not None else ""
    upper = f"at most {_number(most)}" if most is not None else upper
    words = " and ".join(filter(None, (lower, upper)))
    return f" {words}{multiple}" if words else multiple


def _number(value: float) -> str:
    if abs(value) >= 1e4 and float(value).is_integer():
        return f"{int(value):,}"
    return str(value) if isinstance(value, int) else f"{value:g}"
