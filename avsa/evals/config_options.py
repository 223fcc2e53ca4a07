"""The configuration of an evaluation from the options of a command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from avsa.config.recipe import parse_override
from avsa.evals import EVALUATIONS
from avsa.evals.base import EvaluationConfig
from yt360.config import from_mapping, merged, to_mapping
from yt360.errors import UserError


def configure(kind: str, given: Mapping[str, Any], settings: Mapping[str, str]) -> EvaluationConfig:
    """Return the configuration of an evaluation.

    Args:
        kind: Name of the evaluation.
        given: Options by name; paths are allowed.
        settings: Further options as texts, ``{"schedule.lr": "1e-3"}``; values are YAML.

    Raises:
        UserError: There is no such evaluation or option, an option is given twice, or its value is
            not allowed.
    """
    return configure_class(EVALUATIONS.load(kind), given, settings)


def configure_class(
    config: type[EvaluationConfig], given: Mapping[str, Any], settings: Mapping[str, str]
) -> EvaluationConfig:
    """Return the configuration of an evaluation by its class; see `configure`."""
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
    mapping = {**default_options(config), **plain, "kind": config.kind}
    for key, text in settings.items():
        if key in given:
            raise UserError(f"{key} is given twice; give it once", "conflict", key)
        mapping = merged(mapping, parse_override(f"{key}={text}"), _names_another_kind)
    return from_mapping(config, mapping)


def _names_another_kind(_: str, former: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Return whether a section gets another kind, so that its former options do not apply."""
    return "kind" in changes and changes["kind"] != former.get("kind")


def option_text(value: object) -> str:
    """Return the value of an option as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def default_options(config: type[EvaluationConfig]) -> dict[str, Any]:
    """Return the defaults of all options that have one, as plain values."""
    return {
        each.name: to_mapping(each.default)
        for each in fields(config)
        if each.default is not MISSING
    }
