"""Recipes: YAML files of a training run's configuration, changed by ``--set``.

A recipe has some of the keys of `TrainConfig`; the others keep their defaults. ``extends: NAME``
builds on another recipe: mappings are merged key by key, ``null`` removes a key, and a task or an
encoder of another ``kind`` starts from the defaults of that kind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from avsa.config.renamed import new_name
from avsa.config.train_config import StageConfig, TrainConfig
from avsa.models.encoders import EncodersConfig
from yt360.config import flatten, from_mapping, merged, to_mapping
from yt360.errors import UserError, did_you_mean
from yt360.files import atomic_write
from yt360.plugins import loaded_plugins
from yt360.terminal.text import shortened
from yt360.untrusted.yaml_files import load_yaml, read_yaml_mapping, write_yaml

MAX_EXTENSIONS = 16
MAX_KEY_PARTS = 16  # of a dotted key; keys of recipes have at most five
DEFAULT_KINDS = {
    r"encoders\.video": EncodersConfig().video.kind,
    r"encoders\.audio": EncodersConfig().audio.kind,
    r"stages\.[^.]+\.task": StageConfig(steps=1).task.kind,
}
"""The kind of each section of a recipe that names none."""
# A resumed run may change these keys, which do not determine what it computes.
FREE_TO_CHANGE = re.compile(
    r"checkpoint\.|compute\.(?!batch_norm_splits)|validation\.|data\.(num_workers|prefetch_batches)$"
)


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    folder = resources.files("avsa.config") / "recipes"
    return sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_config(recipe: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration of a recipe.

    Args:
        recipe: Name of a recipe of the package, or path of a YAML file.
        overrides: ``dotted.key=value`` texts; values are YAML.

    Raises:
        UserError: Unknown recipe or key, wrong type, or values that do not go together.
    """
    return config_from_mapping(_read_recipe(recipe), overrides)


def config_from_mapping(
    mapping: Mapping[str, Any], overrides: Sequence[str] = (), plugins: Sequence[str] = ()
) -> TrainConfig:
    """Return the configuration of nested mappings.

    Args:
        mapping: The keys that differ from the defaults.
        overrides: ``dotted.key=value`` texts; values are YAML.
        plugins: Modules that were loaded when the mapping was saved. They are never imported here,
            since the mapping may come from a stranger.

    Raises:
        UserError: Unknown key, wrong type, or values that do not go together; ``"dependency"`` if a
            name is unknown and one of `plugins`, which is named, is not loaded.
    """
    mapping = dict(mapping)
    for override in overrides:
        change = parse_override(override)
        _require_known_stages(change, mapping)
        mapping = merged(mapping, change, _names_another_kind)
    try:
        return from_mapping(TrainConfig, mapping, renamed=new_name)
    except UserError as error:
        absent = [module for module in plugins if module not in loaded_plugins()]
        if error.code != "unknown-name" or not absent:
            raise
        raise UserError(
            f"{error}; it was made with the plugin {absent[0]}, which is not loaded; if you trust "
            f"it, give --plugin {absent[0]}, or in Python import {absent[0]} first",
            "dependency",
            absent[0],
        ) from None


def save_config(config: TrainConfig, path: Path) -> None:
    """Write the whole configuration as YAML, defaults included."""
    with atomic_write(path, "w") as file:
        write_yaml(to_mapping(config), file)


def parse_override(override: str) -> dict[str, Any]:
    """Return nested mappings of a ``dotted.key=value`` text, whose value is YAML.

    Raises:
        UserError: It has no key, or its value is not YAML.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(
            f"--set {shortened(override, 80)!r} is not KEY=VALUE, such as optimizer.lr=0.001",
            key="--set",
        )
    try:
        value = load_yaml(text)
    except ValueError as error:
        shown = shortened(override, 80)
        raise UserError(f"--set {shown!r}: the value is not YAML: {error}", key=key) from None
    *parents, last = key.split(".", MAX_KEY_PARTS)
    change: dict[str, Any] = {last: value}
    for part in reversed(parents):
        change = {part: change}
    return change


def require_same_config(was: TrainConfig, now: TrainConfig) -> None:
    """Refuse to resume a run with a configuration that computes something else.

    Raises:
        UserError: ``"conflict"``; the message names the first changed key with both values.
    """
    before, after = flatten(to_mapping(was)), flatten(to_mapping(now))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key) and not FREE_TO_CHANGE.match(key):
            raise UserError(
                f"cannot resume with a changed recipe: {key} was {before.get(key)} and is "
                f"{after.get(key)}; leave it as it was, or start a new run with another --out",
                "conflict",
                key,
            )


def _read_recipe(recipe: str, children: tuple[str, ...] = ()) -> dict[str, Any]:
    if recipe in children:
        chain = " -> ".join((*children, recipe))
        raise UserError(f"recipe {recipe} extends itself: {chain}", "conflict", "extends")
    if len(children) == MAX_EXTENSIONS:
        raise UserError(
            f"recipe {children[0]} extends more than {MAX_EXTENSIONS} others in a row",
            "out-of-range",
            "extends",
        )
    path = Path(recipe)
    if recipe in recipe_names():
        path = Path(str(resources.files("avsa.config"))) / "recipes" / f"{recipe}.yaml"
    elif path.suffix not in (".yaml", ".yml"):
        raise UserError(
            f"unknown recipe {shortened(repr(recipe), 80)}{did_you_mean(recipe, recipe_names())}",
            "unknown-name",
            "--recipe",
        )
    elif not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for names that are too long
        raise UserError(
            f"recipe file {shortened(recipe, 200)} does not exist; give one of "
            f"{', '.join(recipe_names())}, or an existing file",
            "missing",
            "--recipe",
        )
    content = read_yaml_mapping(path)
    parent = content.pop("extends", None)
    if parent is None:
        return merged({}, content)
    if not isinstance(parent, str):
        raise UserError(
            f"{path}: extends must be the name of one recipe, or the path of a file", key="extends"
        )
    if parent.endswith((".yaml", ".yml")):  # relative to the file that names it
        parent = os.path.normpath(path.parent / parent)
    return merged(_read_recipe(parent, (*children, recipe)), content, _names_another_kind)


def _names_another_kind(key: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a change gives a section another ``kind``, which has other keys."""
    default = next((kind for form, kind in DEFAULT_KINDS.items() if re.fullmatch(form, key)), None)
    return default is not None and "kind" in now and now["kind"] != was.get("kind", default)


def _require_known_stages(change: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
    """Refuse an override of a stage that the recipe lacks, which would add a stage."""
    stages, changed = mapping.get("stages"), change.get("stages")
    if isinstance(stages, Mapping) and isinstance(changed, Mapping):
        for name in changed:
            if name not in stages:
                key = f"stages.{name}"
                raise UserError(
                    f"unknown key {key}{did_you_mean(name, stages)}", "unknown-name", key
                )
