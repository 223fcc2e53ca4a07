"""Declaring configurations: the class decorator, sections chosen by ``kind``, and conflicts."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any, TypeVar, dataclass_transform

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from yt360.config.errors import user_error
from yt360.errors import did_you_mean
from yt360.registry import Registry
from yt360.terminal.text import shortened

T = TypeVar("T")

RULES = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field, Field)
)
def config_class(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass whose values are checked.

    Making an instance raises `UserError` where a value does not fit the annotation of its field,
    with the name of the field, the value, and what is allowed.
    """
    made: Any = dataclass(cls, frozen=True, kw_only=True, config=RULES)
    for name, info in made.__pydantic_fields__.items():
        # Where pydantic finds it for a class that inherits the field.
        made.__dataclass_fields__[name].metadata = {"description": info.description}
    check = made.__init__

    @functools.wraps(check)
    def checked(self: T, **values: Any) -> None:
        try:
            check(self, **values)
        except ValidationError as error:
            raise user_error(error, made) from None

    made.__init__ = checked
    return made


def conflict(message: str) -> PydanticCustomError:
    """Return the error to raise in ``__post_init__`` where two values do not go together.

    It becomes a `UserError` with the code ``"conflict"`` and the key of the configuration.
    """
    return PydanticCustomError("conflict", "{message}", {"message": message})


class Section:
    """Annotation of a field that holds the configuration of an entry of a registry.

    A mapping is read as the config class of the entry that its ``kind`` names; an instance of a
    registered class is taken as it is.

    Args:
        registry: The entries to choose from, those of users included.
        default: The kind where a mapping has none; None demands it.
    """

    def __init__(self, registry: Registry[Any], default: str | None = None) -> None:
        self.registry, self.default = registry, default

    def __get_pydantic_core_schema__(
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        choices = []
        for name in self.registry:
            choice = handler(adapter(self.registry.load(name)).core_schema)
            choice = handler.resolve_ref_schema(choice)
            choice["properties"]["kind"] = {**choice["properties"]["kind"], "const": name}
            choice["required"] = ["kind"] if name != self.default else []
            if needs := self.registry[name].needs:
                choice["description"] = f"{choice.get('description', '')} Needs {needs}."
            choices.append(choice)
        return {"oneOf": choices}

    def _read(self, value: Any) -> Any:
        if dataclasses.is_dataclass(value) and getattr(value, "kind", None) in self.registry:
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("section_type", "it must be a mapping")
        kind = value.get("kind", self.default)
        if not isinstance(kind, str) or kind not in self.registry:
            shown = "missing" if kind is None else shortened(repr(kind), 80)
            known = did_you_mean(str(kind), self.registry)
            message = f"kind is {shown}{known}"
            raise PydanticCustomError("unknown_kind", "{message}", {"message": message})
        config = self.registry.load(kind)
        try:
            return adapter(config).validate_json(json.dumps({**value, "kind": kind}))
        except ValidationError as error:
            # Carried out whole: its keys go on below the key of the section.
            context = {"error": error, "config": config}
            raise PydanticCustomError("section", "its values are wrong", context) from None


def adapter(config: type[T]) -> TypeAdapter[T]:
    """Return what reads a configuration; plain dataclasses (of users) get the same rules."""
    if not hasattr(config, "__pydantic_config__"):
        config.__pydantic_config__ = RULES  # type: ignore[attr-defined]
    return TypeAdapter(config)
