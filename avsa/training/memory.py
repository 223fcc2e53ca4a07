"""The memory that a stage of training needs, computed from sizes, without data or device.

Weights, batches and buffers are exact. Activations are the tensors that autograd saves in both
encoders in float32, counted in a forward pass on the ``meta`` device. Workspace of kernels and of
the allocator, and temporary tensors of crops and spectrograms, are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from avsa.config.train_config import TrainConfig
from avsa.data.clip_window import WindowShape
from yt360.clip_codec.format import ClipFormat

FLOAT_BYTES = 4
# Weights, their gradients, and the two running means of Adam.
COPIES_OF_WEIGHTS = 4


@dataclass(frozen=True)
class StageMemory:
    """Memory of one rank in a stage, in bytes except for `num_weights`.

    Attributes:
        num_weights: Number of weights.
        weights: Bytes of weights, gradients and optimizer state.
        activations: Tensors that the encoders save for the backward pass, in float32.
        batches: Views of two batches: the current and the next one.
        loader: Buffers of the loader, in host memory.
    """

    num_weights: int
    weights: int
    activations: int
    batches: int
    loader: int


def stage_memory(config: TrainConfig, stage: str, form: ClipFormat, ranks: int) -> StageMemory:
    """Return the memory of a rank in a stage.

    Args:
        config: The recipe.
        stage: Name of the stage.
        form: Format of the stored clips.
        ranks: Processes that share each batch.
    """
    data = config.stage_data(stage)
    samples = config.stages[stage].batch_size // ranks * data.windows_per_clip
    window = data.window_shape(form)
    shapes = sample_shapes(config, stage, window)
    with torch.device("meta"):
        encoders = config.encoders.build(config.audio.num_channels)
        task = config.stages[stage].task.build(config.encoders.feature_dim)
        kept = saved_bytes(encoders, [torch.empty((1, *shape)) for shape in shapes])
    num_weights = sum(p.numel() for module in (encoders, task) for p in module.parameters())
    values = sum(math.prod(shape) for shape in shapes)
    return StageMemory(
        num_weights=num_weights,
        weights=num_weights * FLOAT_BYTES * COPIES_OF_WEIGHTS,
        activations=kept * samples // config.optimizer.micro_batches,
        batches=2 * samples * values * FLOAT_BYTES,
        loader=samples * _stored_bytes(form, window) * (data.prefetch_batches + 1),
    )


def sample_shapes(config: TrainConfig, stage: str, window: WindowShape) -> list[tuple[int, ...]]:
    """Return the shapes of one sample's views: video (K, 3, T, h, w) and audio (K, C, N, F)."""
    views, audio = config.stage_views(stage), config.audio
    return [
        (views.num_views, 3, window.num_frames, views.height, views.width),
        (views.num_views, audio.num_channels, audio.steps(window.num_samples), audio.n_mels),
    ]


def saved_bytes(module: torch.nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return the bytes that a forward pass saves for backward, without weights and inputs."""
    own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers(), *inputs)}
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(count, lambda tensor: tensor):
        outputs = module(*inputs)  # kept alive, so that no memory is reused
    del outputs
    return sum(size for storage, size in kept.items() if storage not in own)


def _stored_bytes(form: ClipFormat, window: WindowShape) -> int:
    """Return the bytes of one sample as stored: luma, two planes of a quarter of it, and audio."""
    return form.width * form.height * window.num_frames * 3 // 2 + 4 * window.num_samples * 2


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
