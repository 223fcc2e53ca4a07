"""A small validator of JSON schemas: what pydantic writes, and no more."""

from __future__ import annotations

import operator
from typing import Any

TYPES = {
    "array": list, "boolean": bool, "integer": int, "null": type(None), "number": (int, float),
    "object": dict, "string": str,
}  # fmt: skip
LIMITS = {
    "minimum": operator.ge, "maximum": operator.le,
    "exclusiveMinimum": operator.gt, "exclusiveMaximum": operator.lt,
    "multipleOf": lambda value, step: value % step == 0,
}  # fmt: skip
OTHERS = {"$defs", "$ref", "$schema", "default", "description", "title"}
KNOWN = {"additionalProperties", "anyOf", "const", "enum", "items", "oneOf", "properties", "type"}


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any] | None = None) -> bool:
    """Return whether a schema accepts a value."""
    root = root or schema
    assert schema.keys() <= KNOWN | OTHERS | LIMITS.keys() | {"required"}, schema.keys()
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema:
        return any(accepts(each, value, root) for each in schema["anyOf"])
    kind = TYPES[schema.get("type", "object")] if "type" in schema else object
    if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
        return False
    if value != schema.get("const", value) or value not in schema.get("enum", [value]):
        return False
    if not all(LIMITS[name](value, schema[name]) for name in LIMITS.keys() & schema.keys()):
        return False
    if isinstance(value, list):
        return all(accepts(schema["items"], each, root) for each in value)
    if isinstance(value, dict):
        below, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        of_key = {key: below.get(key, others) for key in value}
        return set(schema.get("required", ())) <= value.keys() and all(
            each if isinstance(each, bool) else accepts(each, value[key], root)
            for key, each in of_key.items()
        )
    return True
