"""The keys of recipes: ``avsa train --help-config`` and ``avsa train --schema``."""

from __future__ import annotations

import json

from avsa.config.train_config import TrainConfig
from yt360.config.reference import key_reference, partial_schema


def recipe_reference() -> list[str]:
    """Return every key of a recipe with type, range, default and meaning, as lines."""
    return [
        "Keys of a recipe, for --set KEY=VALUE and recipe files; NAME is the name of a stage.",
        "`extends: RECIPE` in a recipe file builds on another recipe.",
        *key_reference(TrainConfig),
    ]


def recipe_schema() -> str:
    """Return a JSON schema of recipe files, as text.

    In an editor with yaml-language-server, the first line
    ``# yaml-language-server: $schema=recipe.schema.json`` of a recipe gives completion and checks.
    """
    schema = partial_schema(TrainConfig)
    schema["title"] = "Recipe of avsa train"
    extends = {"type": "string", "description": "Name or file of the recipe that this builds on."}
    schema["properties"] = {"extends": extends, **schema["properties"]}
    return json.dumps(schema, indent=2)
