"""A run as one frozen, typed value: composed here, read from recipes, changed by ``--set``.

Each part is defined beside the code that it configures. A recipe is a YAML file with some of the
keys; the rest keep their defaults. It may build on another one by ``extends: NAME``; then mappings
are merged key by key, and ``null`` removes one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from avsa.config.typed import flatten, from_mapping, merged, require_at_most, to_mapping
from avsa.data.loader import DataConfig
from avsa.data.sampling import SamplingConfig
from avsa.models.encoders import EncodersConfig
from avsa.models.model import ComputeConfig
from avsa.tasks.tasks import TaskConfig
from avsa.training.checkpoint import CheckpointConfig
from avsa.training.optimizer import OptimizerConfig
from avsa.views.sampling import ViewConfig
from avsa.views.spectrogram import AudioConfig
from yt360.errors import UserError, did_you_mean
from yt360.files import atomic_write
from yt360.splits import SPLITS
from yt360.terminal.text import shortened
from yt360.untrusted.yaml_text import load_yaml, read_yaml


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of a curriculum. Encoders go on to the next stage; heads and optimizer do not."""

    task: TaskConfig = field(default_factory=TaskConfig)
    """What is learned."""
    epochs: int = 0
    """Length in passes over the training split (or give `steps`)."""
    steps: int = 0
    """Length in batches (or give `epochs`)."""
    batch_size: int = 112
    """Clips in a global batch, all ranks together."""
    num_views: int | None = None
    """Views of a clip; null: as in `views`."""
    windows_per_clip: int | None = None
    """Moments of a clip; null: as in `data`."""

    def __post_init__(self) -> None:
        limits = {
            "epochs": 1e6,
            "steps": 1e9,
            "batch_size": 1e6,
            "num_views": 1024,
            "windows_per_clip": 64,
        }
        require_at_most("stage", self, **limits)
        if min(self.epochs, self.steps) < 0 or (self.epochs > 0) == (self.steps > 0):
            raise UserError(
                f"a stage has epochs {self.epochs} and steps {self.steps}; give exactly one of them"
            )
        if self.batch_size < 2 and self.task.kind != "regression":
            raise UserError(f"stage batch_size is {self.batch_size}; a contrast needs 2 or more")

    def __str__(self) -> str:
        return f"{self.task.kind} for {self.epochs or self.steps} {self._unit}"

    @property
    def _unit(self) -> str:
        return "epochs" if self.epochs else "steps"


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """When the task is judged on held-out clips (`avsa.training.validation`)."""

    every_steps: int = 0
    """Steps from one time to the next, and after the last step; 0: never."""
    split: str = "test"
    """Split of the dataset with the held-out clips."""

    def __post_init__(self) -> None:
        require_at_most("validation", self, every_steps=1e9)
        if self.every_steps < 0:
            raise UserError(
                f"validation.every_steps must be 0 (never) or more, not {self.every_steps}"
            )
        if self.split not in SPLITS:
            raise UserError(
                f"validation.split must be one of {', '.join(SPLITS)}, not {self.split!r}"
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides what a run computes."""

    seed: int = 0
    """Seed of every random choice."""
    stages: dict[str, StageConfig] = field(default_factory=dict)
    """The curriculum, in order."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Which clips, in which order."""
    data: DataConfig = field(default_factory=DataConfig)
    """What is taken from a clip, and how reading is done."""
    views: ViewConfig = field(default_factory=ViewConfig)
    """Where views look, and how they are jittered."""
    audio: AudioConfig = field(default_factory=AudioConfig)
    """The sound network's input."""
    encoders: EncodersConfig = field(default_factory=EncodersConfig)
    """The networks of the two modalities."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """How weights move."""
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    """How the device computes."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """When held-out clips are judged."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    """When the run is saved."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise UserError("the recipe has no stages; give at least one, such as stages.avc")
        if self.compute.batch_norm_splits > 1 and self.optimizer.micro_batches > 1:
            raise UserError(
                f"optimizer.micro_batches={self.optimizer.micro_batches} gives batch norm a part "
                "of the batch at a time already; set compute.batch_norm_splits=1 with it"
            )
        for name in self.stages:
            self._check_stage(name)

    def stage_views(self, name: str) -> ViewConfig:
        """Return how a stage draws views."""
        count = self.stages[name].num_views
        return self.views if count is None else replace(self.views, num_views=count)

    def stage_data(self, name: str) -> DataConfig:
        """Return what a stage takes from a clip."""
        count = self.stages[name].windows_per_clip
        return self.data if count is None else replace(self.data, windows_per_clip=count)

    def _check_stage(self, name: str) -> None:
        task, views = self.stages[name].task, self.stage_views(name).num_views
        moments = self.stage_data(name).windows_per_clip
        if task.kind == "avts" and moments < 2:
            raise UserError(f"stages.{name}: avts tells moments apart; set moments to 2 or more")
        if task.kind != "avts" and moments != 1:
            raise UserError(f"stages.{name}: {task.kind} takes one moment; moments is {moments}")
        if task.kind in ("avsa", "regression") and views < 2:
            raise UserError(f"stages.{name}: {task.kind} needs num_views of 2 or more, not {views}")
        if task.kind == "regression" and self.views.augment and self.views.hflip_probability > 0:
            raise UserError(
                f"stages.{name}: a mirrored view has no rotation to regress; set "
                "views.hflip_probability=0"
            )


MAX_EXTENSIONS = 16
MAX_KEY_PARTS = 16  # of a dotted key; none in a recipe has more than five
# Keys that say how a run is carried out and not what it computes: a resumed run may change them.
FREE_TO_CHANGE = re.compile(
    r"checkpoint\.|compute\.(?!batch_norm_splits)|validation\.|data\.(num_threads|prefetch_batches)$"
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


def config_from_mapping(mapping: Mapping[str, Any], overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration of nested mappings, changed by ``dotted.key=value`` texts."""
    changes = [_parse_override(override) for override in overrides]
    mapping = dict(mapping)
    if not isinstance(mapping.get("stages", {}), Mapping):
        found = shortened(repr(mapping["stages"]), 80)
        raise UserError(f"stages is {found}; it must be a mapping of names to stages")
    for change in changes:
        _require_known_stages(change, mapping)
        mapping = merged(mapping, change)
    return from_mapping(TrainConfig, mapping)


def save_config(config: TrainConfig, path: Path) -> None:
    """Write the whole configuration as YAML, defaults included."""
    with atomic_write(path, "w") as file:
        file.write(yaml.safe_dump(to_mapping(config), sort_keys=False))


def require_same_config(was: TrainConfig, now: TrainConfig) -> None:
    """Stop when a resumed run would compute something else than it did.

    Raises:
        UserError: Names the first changed key with both values.
    """
    before, after = flatten(to_mapping(was)), flatten(to_mapping(now))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key) and not FREE_TO_CHANGE.match(key):
            raise UserError(
                f"cannot resume with a changed recipe: {key} was {before.get(key)} and is "
                f"{after.get(key)}; leave it as it was, or start a new run with another --out"
            )


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        UserError: There is no such file, or it holds something else.
    """
    try:
        content = read_yaml(path) or {}
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a mapping of keys to values")
    return content


def _read_recipe(recipe: str, children: tuple[str, ...] = ()) -> dict[str, Any]:
    if recipe in children:
        raise UserError(f"recipe {recipe} extends itself: {' -> '.join((*children, recipe))}")
    if len(children) == MAX_EXTENSIONS:
        raise UserError(f"recipe {children[0]} extends more than {MAX_EXTENSIONS} others in a row")
    path = Path(recipe)
    if recipe in recipe_names():
        path = Path(str(resources.files("avsa.config"))) / "recipes" / f"{recipe}.yaml"
    elif path.suffix not in (".yaml", ".yml"):
        raise UserError(
            f"unknown recipe {shortened(repr(recipe), 80)}{did_you_mean(recipe, recipe_names())}"
        )
    elif not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for names that are too long
        raise UserError(
            f"recipe file {shortened(recipe, 200)} does not exist; recipes: {recipe_names()}"
        )
    content = read_mapping(path)
    parent = content.pop("extends", None)
    if parent is None:
        return merged({}, content)
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends must be the name of one recipe, or the path of a file")
    if parent.endswith((".yaml", ".yml")):  # as seen from the file that names it
        parent = os.path.normpath(path.parent / parent)
    return merged(_read_recipe(parent, (*children, recipe)), content)


def _require_known_stages(change: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
    stages, changed = mapping.get("stages", {}), change.get("stages", {})
    if not isinstance(changed, Mapping):
        found = shortened(str(changed), 80)
        raise UserError(f"--set stages={found} is no mapping; set stages.NAME.KEY=VALUE")
    for name in changed:
        if name not in stages:
            raise UserError(f"unknown key stages.{name}{did_you_mean(name, stages)}")


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(
            f"--set {shortened(override, 80)!r} is not KEY=VALUE, such as optimizer.lr=0.001"
        )
    try:
        value = load_yaml(text)
    except ValueError as error:
        shown = shortened(override, 80)
        raise UserError(f"--set {shown!r}: the value is not YAML: {error}") from None
    *parents, last = key.split(".", MAX_KEY_PARTS)
    change: dict[str, Any] = {last: value}
    for part in reversed(parents):
        change = {part: change}
    return change
