"""Batches on the training device: stored planes and audio made into views.

Legend: B samples, K views, T frames, h and w of a view, C channels, N time steps, F mel bands.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from avsa.data.loader import DataConfig, Loader
from avsa.data.order import Order
from avsa.data.raw import RawBatch
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.crops import crop_views
from avsa.views.saliency import open_saliency
from avsa.views.sampling import ViewConfig, Views, draw_views, stack_views
from avsa.views.spectrogram import AudioConfig, view_spectrograms
from yt360.shards.format.reader import ShardReader


@dataclass(frozen=True)
class Batch:
    """A batch on the training device.

    Attributes:
        video: float32 (B, K, 3, T, h, w), standardized RGB.
        audio: float32 (B, K, C, N, F), standardized spectrograms in each view's frame.
        directions: float32 (B, K, 3), directions of the views in the world.
        views: The random draws of the views, on the CPU.
        raw: Keys, positions, times and epoch of the samples (do not use its tensors).
    """

    video: Tensor
    audio: Tensor
    directions: Tensor
    views: Views
    raw: RawBatch

    def by_clip(self, values: Tensor) -> Tensor:
        """Return (B, ...) as (b, M, ...): the M windows of each of b clips."""
        return values.unflatten(0, (-1, self.raw.windows_per_clip))


def batches(
    clips: ShardReader,
    order: Order,
    seed: int,
    data: DataConfig,
    views: ViewConfig,
    audio: AudioConfig,
    statistics: AudioStatistics,
    world: World,
    first_step: int = 0,
) -> Generator[Batch]:
    """Yield this rank's part of every batch from a step on: read, decoded, and made into views.

    Args:
        clips: The split.
        order: Which clips are in which batch.
        seed: Seed of clip windows and views.
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
        saliency=open_saliency(views, clips),
    )
    for raw in loader.batches(first_step):
        yield make_batch(raw, seed, views, audio, statistics, world.device)


def make_batch(
    raw: RawBatch,
    seed: int,
    views: ViewConfig,
    audio: AudioConfig,
    statistics: AudioStatistics,
    device: torch.device | str = "cpu",
) -> Batch:
    """Draw the views of each sample, crop them, and rotate the audio into them.

    All windows of a clip get the same views, so they differ only in time.
    """
    drawn = draw_batch_views(raw, seed, views)
    luma, chroma, samples = to_device(raw, torch.device(device))
    return Batch(
        video=crop_views(luma, chroma, drawn, views.height, views.width),
        audio=view_spectrograms(
            samples,
            drawn.rotations,
            audio,
            statistics.mean_db,
            statistics.std_db,
            drawn.gain_db,
        ),
        directions=drawn.directions.to(luma.device, non_blocking=True),
        views=drawn,
        raw=raw,
    )


def draw_batch_views(raw: RawBatch, seed: int, views: ViewConfig) -> Views:
    """Draw the views (B, K) of a batch; keyed by position, so the windows of a clip share them."""
    drawn = []
    for position, saliency in zip(
        raw.positions[:: raw.windows_per_clip], raw.saliency, strict=True
    ):
        drawn += [draw_views(views, seed, raw.epoch, position, saliency)] * raw.windows_per_clip
    return stack_views(drawn)


def to_device(raw: RawBatch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Copy luma, chroma and audio to a device, asynchronously from page-locked memory."""
    tensors = (raw.luma, raw.chroma, raw.audio)
    if device.type == "cpu":
        return tensors
    copies = [tensor.to(device, non_blocking=True) for tensor in tensors]
    if device.type == "cuda":
        # The loader reuses this memory only after these copies.
        raw.buffer.copied = torch.cuda.Event()
        raw.buffer.copied.record(torch.cuda.current_stream(device))
    return copies[0], copies[1], copies[2]
