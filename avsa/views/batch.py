"""From stored planes and sound to what the networks see, on the training device.

Legend: B samples, K views, T frames, h and w of a view, C channels, N time steps, F mel bands.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from avsa.data.loader import DataConfig, Loader
from avsa.data.raw import RawBatch
from avsa.data.sampling import Order
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStats
from avsa.views.crops import crop_views
from avsa.views.saliency import open_guide
from avsa.views.sampling import ViewConfig, Views, draw_views, stack_views
from avsa.views.spectrogram import AudioConfig, view_spectrograms
from yt360.shards.format.reader import ShardReader


@dataclass(frozen=True)
class Batch:
    """A batch on the training device.

    Attributes:
        video: float32 (B, K, 3, T, h, w), standardized RGB.
        audio: float32 (B, K, C, N, F), standardized spectrograms in each view's frame.
        directions: float32 (B, K, 3), where the views look, in the world.
        views: All that was drawn for the views, on the CPU.
        raw: Keys, positions, times and epoch of the samples (its tensors are not to be used).
    """

    video: Tensor
    audio: Tensor
    directions: Tensor
    views: Views
    raw: RawBatch

    def by_clip(self, values: Tensor) -> Tensor:
        """Return (b, M, ...) of (B, ...): the M samples of each of b clips."""
        return values.unflatten(0, (-1, self.raw.moments))


def batches(
    clips: ShardReader,
    order: Order,
    seed: int,
    data: DataConfig,
    views: ViewConfig,
    audio: AudioConfig,
    statistics: AudioStats,
    world: World,
    first_step: int = 0,
) -> Generator[Batch]:
    """Yield this rank's part of every batch from a step on: read, decoded, and made into views.

    Args:
        clips: The split.
        order: Which clips are in which batch.
        seed: Of clip windows and views.
        data: What is read from each clip.
        views: How views are drawn.
        audio: Parameters of the spectrograms.
        statistics: Statistics that standardize the spectrograms.
        world: This process among the ranks that share each batch.
        first_step: The first batch; starting anywhere costs the same.

    Raises:
        UserError: No clip is long enough, or none can be read.
    """
    loader = Loader(
        clips,
        order,
        data,
        seed,
        world.rank,
        world.size,
        pin_memory=world.device.type == "cuda",
        guide=open_guide(views, clips),
    )
    for raw in loader.batches(first_step):
        yield make_batch(raw, seed, views, audio, statistics, world.device)


def make_batch(
    raw: RawBatch,
    seed: int,
    views: ViewConfig,
    audio: AudioConfig,
    stats: AudioStats,
    device: torch.device | str = "cpu",
) -> Batch:
    """Draw the views of each sample, crop them, and rotate the sound into them.

    All moments of a clip get the same views, so that nothing but time tells them apart.
    """
    drawn = draw_batch_views(raw, seed, views)
    luma, chroma, sound = to_device(raw, torch.device(device))
    return Batch(
        video=crop_views(luma, chroma, drawn, views.height, views.width),
        audio=view_spectrograms(
            sound, drawn.rotations, audio, stats.mean_db, stats.std_db, drawn.gain_db
        ),
        directions=drawn.directions.to(luma.device, non_blocking=True),
        views=drawn,
        raw=raw,
    )


def draw_batch_views(raw: RawBatch, seed: int, views: ViewConfig) -> Views:
    """Draw the views (B, K) of a batch; keyed by position, so the moments of a clip share them."""
    drawn = []
    for position, guide in zip(raw.positions[:: raw.moments], raw.guides, strict=True):
        drawn += [draw_views(views, seed, raw.epoch, position, guide)] * raw.moments
    return stack_views(drawn)


def to_device(raw: RawBatch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Copy luma, chroma and sound to a device, without waiting where the memory is page-locked."""
    tensors = (raw.luma, raw.chroma, raw.sound)
    if device.type == "cpu":
        return tensors
    copies = [tensor.to(device, non_blocking=True) for tensor in tensors]
    if device.type == "cuda":
        # The loader fills this memory anew only after these copies.
        raw.buffer.copied = torch.cuda.Event()
        raw.buffer.copied.record(torch.cuda.current_stream(device))
    return copies[0], copies[1], copies[2]
