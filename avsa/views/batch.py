"""Convert decoded clips to batches of views on the training device.

Shapes: B samples, K views, T frames, (h, w) of a view, C channels, N time steps, F mel bands.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

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

AdjustViews = Callable[[Views, RawBatch], Views]
"""Changes the views (B, K) of a batch before they are cropped."""


@dataclass(frozen=True)
class Batch:
    """A batch on the training device.

    Attributes:
        video: float32 (B, K, 3, T, h, w), standardized RGB.
        audio: float32 (B, K, C, N, F), standardized spectrograms in the coordinates of each view.
        directions: float32 (B, K, 3), directions of the views in world coordinates.
        views: Parameters of the views, on the CPU.
        raw: Keys, positions, times and epoch of the samples, and clips that could not be read. Its
            tensors may be overwritten.
    """

    video: Tensor
    audio: Tensor
    directions: Tensor
    views: Views
    raw: RawBatch

    def by_clip(self, values: Tensor) -> Tensor:
        """Reshape (B, ...) to (b, M, ...): M clip windows of each of b clips."""
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
    adjust: AdjustViews | None = None,
) -> Generator[Batch]:
    """Read, decode and crop this rank's part of each batch, starting at a step.

    Args:
        clips: Clips of the split.
        order: Order of the clips.
        seed: Seed of clip windows and views.
        data: Data configuration.
        views: View configuration.
        audio: Spectrogram configuration.
        statistics: Statistics that standardize the spectrograms.
        world: The ranks that share each batch.
        first_step: The first batch. Skipping batches costs no time.
        adjust: Changes the views that were drawn.

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
        yield make_batch(raw, seed, views, audio, statistics, world.device, adjust)


def make_batch(
    raw: RawBatch,
    seed: int,
    views: ViewConfig,
    audio: AudioConfig,
    statistics: AudioStatistics,
    device: torch.device | str = "cpu",
    adjust: AdjustViews | None = None,
) -> Batch:
    """Draw and crop the views of each sample, and compute their spectrograms.

    All windows of a clip have the same views and differ only in time.
    """
    drawn = draw_batch_views(raw, seed, views)
    if adjust is not None:
        drawn = adjust(drawn, raw)
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
    """Draw the views (B, K) of a batch; all windows of a clip have the same views."""
    drawn = []
    for position, saliency in zip(
        raw.positions[:: raw.windows_per_clip], raw.saliency, strict=True
    ):
        drawn += [draw_views(views, seed, raw.epoch, position, saliency)] * raw.windows_per_clip
    return stack_views(drawn)


def turn_audio(views: Views, yaw: Tensor) -> Views:
    """Return views whose audio is that of sound fields turned about the vertical.

    A source at azimuth a is heard at a + yaw. The video stays as it is.

    Args:
        views: (B, K).
        yaw: (B,) counter-clockwise seen from above, in radians.
    """
    return replace(views, audio_azimuth=views.audio_azimuth - yaw[:, None])


def to_device(raw: RawBatch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Copy luma, chroma and audio to a device, asynchronously from page-locked memory."""
    tensors = (raw.luma, raw.chroma, raw.audio)
    if device.type == "cpu":
        return tensors
    copies = [tensor.to(device, non_blocking=True) for tensor in tensors]
    if device.type == "cuda":
        # The loader reuses this memory after these copies have completed.
        raw.buffer.copied = torch.cuda.Event()
        raw.buffer.copied.record(torch.cuda.current_stream(device))
    return copies[0], copies[1], copies[2]
