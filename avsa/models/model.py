"""What training makes and users load: two encoders, the task's networks, and how to feed them.

Shapes: B batch, M moments, K views, C channels, T frames, h and w of a view, N time steps, F mel
bands, S audio samples, D features.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avsa.models.encoders import AudioEncoder, AudioEncoderConfig, VideoEncoder, VideoEncoderConfig
from avsa.training.distributed import World
from yt360.config import config_class, conflict
from yt360.errors import UserError


@config_class
class ComputeConfig:
    """How the device computes. ``auto`` is on for CUDA devices and off for others."""

    bfloat16: Literal["auto", "on", "off"] = "auto"
    """Networks compute in bfloat16; weights, losses and the optimizer stay float32."""
    channels_last: Literal["auto", "on", "off"] = "auto"
    """Channels-last memory format of the encoders."""
    compile: Literal["on", "off"] = "off"
    """Compile the encoders with torch.compile, which takes minutes before the first step."""
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


class Encoders(nn.Module):
    """Both encoders over views: what is kept from one stage, and one task, to the next.

    Attributes:
        batch_norm_splits: Parts in which a training batch passes the networks, each with batch
            norm's statistics of its own.
    """

    def __init__(
        self, video: VideoEncoderConfig, audio: AudioEncoderConfig, audio_channels: int
    ) -> None:
        super().__init__()
        self.video = VideoEncoder(video)
        self.audio = AudioEncoder(audio, audio_channels)
        self.batch_norm_splits = 1

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, K, D) each of views (B, K, 3, T, h, w) and (B, K, C, N, F)."""
        if not self.training or self.batch_norm_splits == 1:
            return self._features(video, audio)
        pieces = zip(*(each.chunk(self.batch_norm_splits) for each in (video, audio)), strict=True)
        features = [self._features(*piece) for piece in pieces]
        return torch.cat([each[0] for each in features]), torch.cat([each[1] for each in features])

    def _features(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        shape = (*video.shape[:2], -1)
        return (
            self.video(video.flatten(0, 1)).view(shape),
            self.audio(audio.flatten(0, 1)).view(shape),
        )


def is_on(choice: str, device: torch.device) -> bool:
    """Return what ``auto``, ``on`` or ``off`` means on a device."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def place_encoders(encoders: Encoders, config: ComputeConfig, world: World) -> Encoders:
    """Return the encoders on the device, with the layout and norms that `config` asks for.

    Raises:
        UserError: Batch norm cannot be synchronized on this device.
    """
    encoders = encoders.to(world.device)
    encoders.batch_norm_splits = max(1, config.batch_norm_splits // world.size)
    if is_on(config.channels_last, world.device):
        encoders.video.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        encoders.audio.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.sync_batch_norm and world.size > 1:
        if world.device.type != "cuda":
            raise UserError(
                f"compute.sync_batch_norm needs CUDA devices, not {world.device}; set it to false, "
                "or train on one rank"
            )
        encoders = nn.SyncBatchNorm.convert_sync_batchnorm(encoders)
    if config.compile == "on":
        encoders.compile()
    return encoders


def autocast(config: ComputeConfig, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which encoders and tasks compute."""
    enabled = is_on(config.bfloat16, device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
