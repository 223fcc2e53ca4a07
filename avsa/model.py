"""What training makes and users load: two encoders, the task's networks, and how to feed them.

Shapes: B batch, M moments, K views, C channels, T frames, h and w of a view, N time steps, F mel
bands, S audio samples, D features.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from avsa.distributed import World
from avsa.encoders import AudioEncoder, AudioEncoderConfig, VideoEncoder, VideoEncoderConfig


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """How the device computes. ``auto`` means on for CUDA devices, where it helps, and off else."""

    bfloat16: Literal["auto", "on", "off"] = "auto"
    """Networks compute in bfloat16; weights, losses and the optimizer stay float32."""
    channels_last: Literal["auto", "on", "off"] = "auto"
    """Memory layout of the encoders."""
    compile: Literal["on", "off"] = "off"
    """Compile the encoders with torch.compile, which takes minutes before the first step."""
    sync_batch_norm: bool = False
    """Batch norm over the clips of all ranks (CUDA only) in place of each rank's own."""
    deterministic: bool = False
    """Only deterministic CUDA kernels, so that runs repeat to the bit there too (slower)."""


class Encoders(nn.Module):
    """Both encoders over views: what is kept from one stage, and one task, to the next."""

    def __init__(
        self, video: VideoEncoderConfig, audio: AudioEncoderConfig, audio_channels: int
    ) -> None:
        super().__init__()
        self.video = VideoEncoder(video)
        self.audio = AudioEncoder(audio, audio_channels)

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, K, D) each of views (B, K, 3, T, h, w) and (B, K, C, N, F)."""
        shape = (*video.shape[:2], -1)
        return (
            self.video(video.flatten(0, 1)).view(shape),
            self.audio(audio.flatten(0, 1)).view(shape),
        )


def is_on(choice: str, device: torch.device) -> bool:
    """Return what ``auto``, ``on`` or ``off`` means on a device."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def place_encoders(encoders: Encoders, config: ComputeConfig, world: World) -> Encoders:
    """Return the encoders on the device, with the layout and norms that `config` asks for."""
    encoders = encoders.to(world.device)
    if is_on(config.channels_last, world.device):
        encoders.video.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        encoders.audio.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.sync_batch_norm and world.size > 1 and world.device.type == "cuda":
        encoders = nn.SyncBatchNorm.convert_sync_batchnorm(encoders)
    if config.compile == "on":
        encoders.compile()
    return encoders


def autocast(config: ComputeConfig, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which encoders and tasks compute."""
    enabled = is_on(config.bfloat16, device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
