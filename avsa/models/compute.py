"""How the device computes: precision, memory format, and batch norm over parts or ranks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import Field
from torch import nn

from avsa.models.encoders import Encoders
from avsa.training.distributed import World
from yt360.config import config_class, conflict
from yt360.errors import UserError

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Memory format of weights with so many axes."""


Choice: TypeAlias = Literal["auto", "on", "off"]


@config_class
class ComputeConfig:
    """How the device computes.

    ``auto`` is on for CUDA devices, and for CPUs that have units for bfloat16 (AVX512-BF16, AMX)
    if a test at the start shows that they repeat a step to the bit.
    """

    bfloat16: Choice = "auto"
    """Networks compute in bfloat16; weights, losses and the optimizer stay float32."""
    channels_last: Choice = "auto"
    """Channels-last memory format of the encoders."""
    compile: Literal["off", "on", "cuda-graphs"] = "off"
    """on: compile encoders and task with torch.compile, which takes minutes before the first step;
    cuda-graphs: also queue each of them as one CUDA graph (one rank, micro_batches=1)."""
    sync_batch_norm: bool = False
    """Batch norm over the clips of all ranks (CUDA only) instead of each rank's own."""
    batch_norm_splits: Annotated[int, Field(ge=1, le=10**6)] = 1
    """Equal parts of the global batch, each with batch norm statistics of its own, as on so many
    devices. If there are more ranks, each rank has its own statistics."""
    deterministic: bool = False
    """Use deterministic CUDA kernels only, so that runs repeat to the bit there too (slower)."""

    def __post_init__(self) -> None:
        if self.batch_norm_splits > 1 and self.sync_batch_norm:
            raise conflict(
                f"batch_norm_splits is {self.batch_norm_splits} and sync_batch_norm is on, which "
                "computes statistics over the whole batch; set one of them only"
            )


def is_on(choice: Choice, device: torch.device) -> bool:
    """Return what ``auto``, ``on`` or ``off`` means on a device.

    On a CPU ``auto`` is off, unless a test has replaced it (`avsa.training.repeatability`).
    """
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def place_encoders(encoders: Encoders, config: ComputeConfig, world: World) -> Encoders:
    """Return the encoders on the device, with the memory format and norms of `config`.

    Raises:
        UserError: ``"conflict"``: Batch norm cannot be synchronized on this device.
    """
    encoders = encoders.to(world.device)
    encoders.batch_norm_splits = max(1, config.batch_norm_splits // world.size)
    if is_on(config.channels_last, world.device):
        to_channels_last(encoders)
    if config.sync_batch_norm and world.size > 1:
        if world.device.type != "cuda":
            raise UserError(
                f"compute.sync_batch_norm needs CUDA devices, not {world.device}; set it to false, "
                "or train on one rank",
                "conflict",
                "compute.sync_batch_norm",
            )
        encoders = nn.SyncBatchNorm.convert_sync_batchnorm(encoders)
    return encoders


def to_channels_last(network: nn.Module) -> None:
    """Give the convolutions of a network the channels-last memory format."""
    for weight in network.parameters():
        if weight.ndim in CHANNELS_LAST:
            weight.data = weight.data.to(memory_format=CHANNELS_LAST[weight.ndim])


def autocast(config: ComputeConfig, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which encoders and tasks compute."""
    enabled = is_on(config.bfloat16, device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
