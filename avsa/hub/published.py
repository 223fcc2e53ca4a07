"""Import of the weights published with the paper's code.

A published file is ``{"model": ..., "train_criterion": ...}``, saved from DataParallel, so names
begin with ``module.``. Layers have the same names here, so importing means renaming; sizes are read
from shapes. All other settings of the published training (docs/paper.md), such as the floor of the
spectrograms and the ReLU at the end of translation networks, come from the recipe
``avsa-published``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avsa.config.recipe import config_from_mapping, load_config
from avsa.config.train_config import TrainConfig
from avsa.hub.saved import mismatch, networks_without_memory
from avsa.views.audio_statistics import AudioStatistics, ensure_statistics
from avsa.views.spectrogram import AudioConfig
from yt360.config import merged, to_mapping
from yt360.errors import UserError
from yt360.untrusted.arrays import read_npz
from yt360.untrusted.torch_files import Weights, is_weights, read_torch

STAGE = "imported"
RECIPE = "avsa-published"
# The published code computes decibels of magnitudes as if they were powers: half as many.
DB_PER_PUBLISHED_DB = 2
FPS = 16
"""Frame rate of the video that the published weights were trained on."""
MAX_STATS_BYTES = 1 << 20
CHANNELS = {1: "mono", 2: "stereo", 4: "ambix"}


def import_published(
    path: Path, stats: AudioStatistics | None = None, encoders_only: bool = False
) -> dict[str, Any]:
    """Return the content of a checkpoint (for `avsa.training.checkpoint.save_checkpoint`).

    Args:
        path: The published file.
        stats: Statistics that standardize spectrograms; without them the model accepts spectrograms
            only.
        encoders_only: Leave out the heads and translation networks.

    Raises:
        UserError: The file has another layout; the message names the first difference.
    """
    content = _read(path)
    encoders = _encoder_weights(content["model"], path)
    task = {} if encoders_only else _task_weights(content["train_criterion"])
    config = _config_of(encoders, task, path)
    _require_fit(config, encoders, task, path)
    return {
        "step": 0,
        "stage": STAGE,
        "config": to_mapping(config),
        "clips": "imported",
        "fps": FPS,
        "stats": None if stats is None else {"mean_db": stats.mean_db, "std_db": stats.std_db},
        "encoders": encoders,
        "task": task or None,
        "optimizer": None,
    }


def read_published_stats(path: Path) -> AudioStatistics:
    """Return the statistics of a published ``.npz`` with ``mean`` and ``std`` of each mel band.

    Raises:
        UserError: The file has another layout, or a value is out of range.
    """
    try:
        arrays = read_npz(path, ("mean", "std"), MAX_STATS_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} contains no audio statistics (an .npz with mean and std): {error}", key=path
        ) from None
    mean, std = (torch.from_numpy(arrays[name].astype(np.float32)) for name in ("mean", "std"))
    shape = (AudioConfig().n_mels,)
    if not (mean.shape == std.shape == shape and mean.isfinite().all() and std.isfinite().all()):
        raise UserError(
            f"{path} contains a mean {tuple(mean.shape)} and std {tuple(std.shape)}; both must be "
            f"{shape}, finite numbers",
            key=path,
        )
    if not (std > 0).all():
        raise UserError(
            f"{path} contains a std of {std.min():g}; all must be above 0", "out-of-range", path
        )
    return AudioStatistics(DB_PER_PUBLISHED_DB * mean, DB_PER_PUBLISHED_DB * std)


def read_any_stats(path: Path) -> AudioStatistics:
    """Return audio statistics of a dataset folder, or of a published ``.npz``.

    Those of a dataset are for the spectrograms of the published weights.
    """
    if path.is_dir():
        return ensure_statistics(path, load_config(RECIPE).audio)
    return read_published_stats(path)


def _read(path: Path) -> Mapping[str, Mapping[str, Tensor]]:
    if not path.is_file():
        raise UserError(f"{path} does not exist", "missing", path)
    try:
        content = read_torch(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as torch weights: {error}", key=path) from None
    if not isinstance(content, dict) or not {"model", "train_criterion"} <= content.keys():
        raise UserError(
            f"{path} is not a published checkpoint: it lacks model and train_criterion", key=path
        )
    for part in ("model", "train_criterion"):
        if not is_weights(content[part]):
            raise UserError(f"{path}: {part} is not a table of named tensors", key=part)
    return content


def _encoder_weights(state: Mapping[str, Tensor], path: Path) -> Weights:
    """Return our names -> tensors of both encoders."""
    names = {"video_model": "video", "audio_model": "audio"}
    weights: Weights = {}
    for key, tensor in state.items():
        part, _, name = key.removeprefix("module.").partition(".")
        if part not in names:
            raise UserError(
                f"{path}: {key[:100]} belongs to neither video_model nor audio_model", key=key[:100]
            )
        weights[f"{names[part]}.{name}"] = tensor
    return weights


def _task_weights(state: Mapping[str, Tensor]) -> Weights:
    """Return our names -> tensors of the first loss's networks."""
    stripped = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    prefix = "losses.0."
    return {key.removeprefix(prefix): t for key, t in stripped.items() if key.startswith(prefix)}


def _config_of(encoders: Weights, task: Weights, path: Path) -> TrainConfig:
    """Return the configuration that the shapes imply."""
    try:
        video_width = encoders["video.conv1.0.weight"].shape[0]
        audio_width, channels = encoders["audio.conv1.0.weight"].shape[:2]
    except KeyError as error:
        raise UserError(f"{path} lacks {error}", "missing", error.args[0]) from error
    except (IndexError, ValueError):
        raise UserError(
            f"{path} has another layout: its first weights are not convolutions", key=path
        ) from None
    if channels not in CHANNELS:
        raise UserError(
            f"{path}: the audio encoder takes {channels} channels, not 1, 2 or 4",
            "unsupported",
            path,
        )
    published = load_config(RECIPE)
    sizes = {
        "audio": {"channels": CHANNELS[channels]},
        "encoders": {
            "video": {
                "base_channels": video_width,
                "num_stages": _count(encoders, r"video\.conv(\d+)x\.") - 1,
                "blocks_per_stage": _count(encoders, r"video\.conv2x\.(\d+)\.") + 1,
            },
            "audio": {
                "base_channels": audio_width,
                "num_stages": _count(encoders, r"audio\.block(\d+)\."),
            },
        },
    }
    published_task = to_mapping(published.stages["avsa"].task)
    stage = {"steps": 1, "task": merged(published_task, _task_config(task))}
    recipe = {**to_mapping(published), "stages": {STAGE: stage}}
    return config_from_mapping(merged(recipe, sizes))


def _task_config(task: Weights) -> dict[str, Any]:
    heads = [name for name in task if name.endswith("projection.0.weight")]
    size = {"embedding_dim": task[heads[0]].shape[0]} if heads and task[heads[0]].ndim else {}
    if not task or any(name.startswith("video_projection.") for name in task):
        return {"kind": "avc", "translation": {"kind": "none"}, **size}
    depth = _count(task, r"v2a_transformer\.transformer\.(\d+)\.") + 1
    translation = {"kind": "transformer", "depth": depth} if depth else {"kind": "none"}
    return {"kind": "avsa", "translation": translation, **size}


def _count(weights: Weights, pattern: str) -> int:
    """Return the largest number that `pattern` finds in the names, -1 for none."""
    found = (re.match(pattern, name) for name in weights)
    return max((int(match[1]) for match in found if match), default=-1)


def _require_fit(config: TrainConfig, encoders: Weights, task: Weights, path: Path) -> None:
    ours, our_task = networks_without_memory(config, STAGE)
    hint = "; --encoders-only imports the encoders alone"
    for module, weights, advice in ((ours, encoders, ""), (our_task, task, hint)):
        if weights and (difference := mismatch(module, weights)):
            raise UserError(
                f"{path} has another layout: {difference}{advice}", key=difference.split()[0]
            )
