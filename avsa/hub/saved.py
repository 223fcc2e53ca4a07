"""The content of checkpoints and exported models, checked before anything is built from it.

Both may come from strangers. Resuming, loading, embedding and exporting start from a `Saved`, whose
configuration is valid and whose weights have the shapes that it asks for.
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
RECIPE_FILE = "config.yaml"
"""Names of the weights and of the recipe in an exported folder."""
PARTS = ("encoders", "task", "stats")
Moments = dict[int, Weights]
"""State of Adam by parameter number: ``step`` (), ``exp_avg`` and ``exp_avg_sq`` of its shape."""
MOST_STEPS = 2**53


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a model beside its weights and configuration.

    Attributes:
        stage: Name of the stage in which it was saved.
        step: Number of training steps.
        clips: The clips of training (`avsa.training.run_folder.fingerprint`).
        fps: Frame rate of the video.
        plugins: Names of the plugins that were loaded; never imported from here.
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
        config: The configuration of training.
        audio_statistics: Standardize spectrograms, if present.
        encoders: Weights of `Encoders`.
        task: Weights of the task in `stage`, if present.
        optimizer: State of the optimizer of both, if present.
    """

    config: TrainConfig
    audio_statistics: AudioStatistics | None
    encoders: Weights
    task: Weights | None
    optimizer: Moments | None


def read_saved(path: Path) -> Saved:
    """Return the content of a checkpoint, a run's newest checkpoint, or an exported model.

    Args:
        path: A file, the folder of a run, or a folder that `avsa export` wrote.

    Raises:
        UserError: There is none, it is damaged, its parts do not fit together, or it needs a plugin
            that is not loaded (``"dependency"``) or another version (``"unknown-name"``).
    """
    content = _read_export(path) if is_export(path) else load_checkpoint(path)
    try:
        return _checked(content)
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; get another copy of it", key=path) from None
    except UserError as error:
        if error.code != "unknown-name":
            raise
        raise UserError(
            f"{path} was saved by another version of avsa: {error}; load it with that version, or "
            "train again",
            error.code,
            error.key,
        ) from None


def _checked(content: Mapping[str, Any]) -> Saved:
    """Return the parts of a checkpoint; raises `ValueError` if one is wrong."""
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
        audio_statistics=_audio_statistics(content.get("stats"), (config.audio.n_mels,)),
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
        raise ValueError("its recipe is not a mapping")
    try:
        return config_from_mapping(value, plugins=plugins)
    except UserError as error:
        if error.code in ("dependency", "unknown-name"):
            raise
        raise ValueError(f"its recipe cannot be read ({error})") from None


def networks_without_memory(config: TrainConfig, stage: str) -> tuple[Encoders, Task]:
    """Return the networks of a stage on the meta device: names and shapes without values."""
    with torch.device("meta"):
        return (
            config.encoders.build(config.audio.num_channels),
            config.stages[stage].task.build(config.encoders.feature_dim),
        )


def mismatch(module: nn.Module, weights: Weights) -> str:
    """Return the first difference between the weights of a network and others; empty for none."""
    wanted = module.state_dict()
    for name in [*wanted, *weights]:
        ours, theirs = (_shape(side, name) for side in (wanted, weights))
        if ours != theirs:
            return f"{shortened(name, 100)} is {theirs}, and {ours} was expected"
    return ""


def _shape(weights: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(weights[name].shape)) if name in weights else "missing"


def _audio_statistics(value: Any, shape: tuple[int, ...]) -> AudioStatistics | None:
    if value is None:
        return None
    if not is_weights(value) or value.keys() != {"mean_db", "std_db"}:
        raise ValueError("its audio statistics are not tensors mean_db and std_db")
    for each in value.values():
        if each.dtype != torch.float32 or each.shape != shape or not each.isfinite().all():
            raise ValueError(f"its audio statistics are not finite float32 numbers {shape}")
    if not (value["std_db"] > 0).all():
        raise ValueError("a standard deviation of its audio statistics is not above 0")
    return AudioStatistics(**value)


def _moments(value: Any, parameters: Sequence[Tensor]) -> Moments | None:
    """Return the state of the optimizer; its options come from the recipe."""
    if value is None or value == {}:
        return None
    state = value.get("state") if isinstance(value, dict) else None
    if not isinstance(state, dict) or not state.keys() <= set(range(len(parameters))):
        raise ValueError("the state of its optimizer has other parameters")
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
    """Return the content of an exported model in the layout of a checkpoint."""
    file = path / WEIGHTS_FILE if path.is_dir() else path
    content: dict[str, Any] = {}
    try:
        tensors, texts = read_safetensors(file)
        content |= parse_json(texts.get("avsa", ""), dict[str, Any])
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is not a model that avsa exported: {error}", key=file) from None
    parts: dict[str, Weights] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part not in PARTS:
            raise UserError(
                f"{file} is not a model that avsa exported: it contains {name[:80]!r}", key=file
            )
        parts.setdefault(part, {})[rest] = tensor
    return {**content, **dict.fromkeys(PARTS), **parts, "optimizer": None}
