"""What checkpoints and exported models hold, checked in one place before anything is built of it.

Both come from other people. Whoever resumes, loads, embeds or exports gets a `Saved`, whose recipe
is valid and whose weights have the shapes that this recipe asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from avsa.config.recipe import config_from_mapping
from avsa.config.train_config import TrainConfig
from avsa.models.encoders import Encoders
from avsa.tasks.base import Task
from avsa.training.checkpoint import load_checkpoint
from avsa.views.audio_statistics import AudioStatistics
from yt360.errors import UserError
from yt360.plugins import plugin_names
from yt360.terminal.text import shortened
from yt360.untrusted.parsing import Count, parse_json
from yt360.untrusted.safetensors_files import read_safetensors
from yt360.untrusted.torch_files import Weights, is_weights

WEIGHTS_FILE = "model.safetensors"
PARTS = ("encoders", "task", "stats")
Moments = dict[int, Weights]
"""State of Adam by number of a parameter: ``step`` (), ``exp_avg`` and ``exp_avg_sq`` as it."""
MOST_STEPS = 2**53


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is said of a model beside its weights and recipe.

    Attributes:
        stage: Name of the stage that it was saved in.
        step: Steps of training done.
        clips: What it was trained on (`avsa.training.run_folder.fingerprint`).
        fps: Frames a second of its video.
        plugins: Modules that were loaded as plugins; names, never imported.
    """

    stage: Annotated[str, Field(max_length=200)]
    step: Count
    clips: Annotated[str, Field(max_length=200)]
    fps: Annotated[int, Field(ge=1, le=1000)]
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Saved(Facts):
    """The content of a checkpoint or an exported model.

    Attributes:
        config: The recipe.
        stats: Statistics that standardize spectrograms, if there are any.
        encoders: Weights of `Encoders`.
        task: Weights of the task's networks in `stage`, if they were kept.
        optimizer: State of the optimizer of both, if it was kept.
    """

    config: TrainConfig
    stats: AudioStatistics | None
    encoders: Weights
    task: Weights | None
    optimizer: Moments | None


def read_saved(path: Path) -> Saved:
    """Return the content of a checkpoint, a run's newest checkpoint, or an exported model.

    Args:
        path: A file, the folder of a run, or a folder that `avsa export` wrote.

    Raises:
        UserError: There is none, it is damaged, or its parts do not fit together.
    """
    content = _read_export(path) if is_export(path) else load_checkpoint(path)
    try:
        return _checked(content)
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; get it from who made it again") from None


def _checked(content: Mapping[str, Any]) -> Saved:
    """Return the parts of a checkpoint's content; `ValueError` says what is wrong with them."""
    facts = _facts(content)
    config = _config(content.get("config"), facts.plugins)
    if facts.stage not in config.stages:
        raise ValueError(f"its recipe has no stage {facts.stage!r}")
    encoders, task = networks_without_memory(config, facts.stage)
    parameters = [*encoders.parameters(), *task.parameters()]
    task_weights = content.get("task")
    return Saved(
        **vars(facts),
        config=config,
        stats=_stats(content.get("stats"), (config.audio.n_mels,)),
        encoders=_weights(content.get("encoders"), encoders, "encoders"),
        task=None if task_weights is None else _weights(task_weights, task, "task"),
        optimizer=_moments(content.get("optimizer"), parameters),
    )


def _weights(value: Any, module: nn.Module, part: str) -> Weights:
    if not is_weights(value):
        raise ValueError(f"{part} is not a table of named tensors")
    if difference := mismatch(module, value):
        raise ValueError(f"it does not fit its own recipe, {part}.{difference}")
    return value


def _facts(content: Mapping[str, Any]) -> Facts:
    plugins = plugin_names(content.get("plugins", []))
    names = [field.name for field in fields(Facts)]
    plain = {name: content.get(name) for name in names if type(content.get(name)) in (str, int)}
    return parse_json(json.dumps({**plain, "plugins": plugins}), Facts)


def _config(value: Any, plugins: Sequence[str]) -> TrainConfig:
    if not isinstance(value, dict):
        raise ValueError("its recipe is no mapping")
    try:
        return config_from_mapping(value, plugins=plugins)
    except UserError as error:
        if error.code == "dependency":
            raise
        raise ValueError(f"its recipe cannot be read ({error})") from None


def networks_without_memory(config: TrainConfig, stage: str) -> tuple[Encoders, Task]:
    """Return the networks of a stage on the meta device: names and shapes, and no numbers."""
    with torch.device("meta"):
        return (
            config.encoders.build(config.audio.num_channels),
            config.stages[stage].task.build(config.encoders.feature_dim),
        )


def mismatch(module: nn.Module, weights: Weights) -> str:
    """Return the first difference between a network's weights and given ones; empty for none."""
    wanted = module.state_dict()
    for name in [*wanted, *weights]:
        ours, theirs = (_shape(side, name) for side in (wanted, weights))
        if ours != theirs:
            return f"{shortened(name, 100)} is {theirs}, and {ours} was expected"
    return ""


def _shape(weights: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(weights[name].shape)) if name in weights else "missing"


def _stats(value: Any, shape: tuple[int, ...]) -> AudioStatistics | None:
    if value is None:
        return None
    if not is_weights(value) or value.keys() != {"mean_db", "std_db"}:
        raise ValueError("its audio statistics are not tensors mean_db and std_db")
    for each in value.values():
        if each.dtype != torch.float32 or each.shape != shape or not each.isfinite().all():
            raise ValueError(f"its audio statistics are not finite float32 numbers {shape}")
    if not (value["std_db"] > 0).all():
        raise ValueError("a deviation in its audio statistics is not above 0")
    return AudioStatistics(**value)


def _moments(value: Any, parameters: Sequence[Tensor]) -> Moments | None:
    """Return the optimizer's state; its other options are those of the recipe."""
    if value is None or value == {}:
        return None
    state = value.get("state") if isinstance(value, dict) else None
    if not isinstance(state, dict) or not state.keys() <= set(range(len(parameters))):
        raise ValueError("its optimizer has a state of other parameters")
    for number, moments in state.items():
        shape = parameters[number].shape
        wanted = {"step": torch.Size(), "exp_avg": shape, "exp_avg_sq": shape}
        if not is_weights(moments) or {n: t.shape for n, t in moments.items()} != wanted:
            raise ValueError("its optimizer's state does not fit the weights")
        if not 0 <= moments["step"].item() < MOST_STEPS:
            raise ValueError("its optimizer's number of steps is out of range")
    return state


def is_export(path: Path) -> bool:
    """Return whether a path is an exported folder or its weights."""
    return path.suffix == ".safetensors" or (path / WEIGHTS_FILE).is_file()


def _read_export(path: Path) -> dict[str, Any]:
    """Return the content of an export, laid out as that of a checkpoint."""
    file = path / WEIGHTS_FILE if path.is_dir() else path
    content: dict[str, Any] = {}
    try:
        tensors, texts = read_safetensors(file)
        content |= parse_json(texts.get("avsa", ""), dict[str, Any])
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is not a model that avsa exported: {error}") from None
    parts: dict[str, Weights] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part not in PARTS:
            raise UserError(f"{file} is not a model that avsa exported: it holds {name[:80]!r}")
        parts.setdefault(part, {})[rest] = tensor
    return {**content, **dict.fromkeys(PARTS), **parts, "optimizer": None}
