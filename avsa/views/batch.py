"""Convert decoded clips to batches of views on the training device.

Shapes: B samples, K views, T frames, (h, w) of a view, C channels, N time steps, F mel bands.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from avsa.data.clips import Clips
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import Order
from avsa.data.raw import RawBatch
from avsa.profiling.phases import Phase, in_phase
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.crops import crop_by_numbers
from avsa.views.saliency import open_saliency
from avsa.views.sampling import ViewConfig, Views, draw_views
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_numbers import ViewNumbers
from avsa.views.view_spectrograms import view_spectrograms

AdjustViews = Callable[[Views, RawBatch], Views]
"""Changes the views (B, K) of a batch before they are cropped."""


@dataclass(frozen=True)
class Batch:
    """A batch on the training device.

    Attributes:
        video: float32 (B, K, 3, T, h, w), standardized RGB.
        audio: float32 (B, K, C, N, F), standardized spectrograms in the coordinates of each view.
        stored_audio: int16 (B, 4, S), ambiX in world coordinates.
        directions: float32 (B, K, 3), directions of the views in world coordinates.
        views: Parameters of the views, on the CPU.
        raw: Keys, positions, times and epoch of the samples, and clips that could not be read. Its
            tensors may be overwritten.
    """

    video: Tensor
    audio: Tensor
    stored_audio: Tensor
    directions: Tensor
    views: Views
    raw: RawBatch

    def by_clip(self, values: Tensor) -> Tensor:
        """Reshape (B, ...) to (b, M, ...): M clip windows of each of b clips."""
        return values.unflatten(0, (-1, self.raw.windows_per_clip))


def batches(
    clips: Clips,
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
    device = world.device
    loader = Loader(
        clips,
        order,
        data,
        seed,
        world.rank,
        world.size,
        pin_memory=device.type == "cuda",
        saliency=open_saliency(views, clips),
    )
    stored = in_phase(Phase.DATA, loader.batches(first_step))
    yield from make_batches(stored, seed, views, audio, statistics, device, adjust)


def make_batches(
    stored: Iterator[RawBatch],
    seed: int,
    views: ViewConfig,
    audio: AudioConfig,
    statistics: AudioStatistics,
    device: torch.device,
    adjust: AdjustViews | None = None,
) -> Generator[Batch]:
    """Draw and crop the views of each of a series of batches, and compute their spectrograms.

    On devices other than the CPU, the copies of the next batch are queued before a batch is
    returned, so they overlap with the work on it.
    """
    statistics = AudioStatistics(statistics.mean_db.to(device), statistics.std_db.to(device))
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    uploads = (upload(raw, seed, views, device, adjust, stream) for raw in stored)
    for uploaded in uploads if device.type == "cpu" else one_ahead(uploads):
        yield finish_batch(uploaded, views, audio, statistics)


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
    uploaded = upload(raw, seed, views, torch.device(device), adjust)
    return finish_batch(uploaded, views, audio, statistics)


@dataclass(frozen=True)
class Upload:
    """A batch whose copies to the device have been queued.

    Attributes:
        raw: The batch as stored.
        views: Views (B, K), on the CPU.
        numbers: The numbers of the views on the device.
        luma: uint8 (B, T, H, W) on the device.
        chroma: uint8 (B, 2, T, H/2, W/2) on the device.
        audio: int16 (B, 4, S) on the device.
        copied: On a CUDA device, the end of the copies.
    """

    raw: RawBatch
    views: Views
    numbers: ViewNumbers
    luma: Tensor
    chroma: Tensor
    audio: Tensor
    copied: torch.cuda.Event | None


def upload(
    raw: RawBatch,
    seed: int,
    views: ViewConfig,
    device: torch.device,
    adjust: AdjustViews | None = None,
    stream: torch.cuda.Stream | None = None,
) -> Upload:
    """Draw the views of a batch, and queue its copies to a device.

    Args:
        raw: The batch as stored.
        seed: Seed of the views.
        views: View configuration.
        device: The device.
        adjust: Changes the views that were drawn.
        stream: CUDA stream of the copies; by default the current one.
    """
    drawn = draw_batch_views(raw, seed, views)
    if adjust is not None:
        drawn = adjust(drawn, raw)
    rows, columns = raw.luma.shape[-2:]
    numbers = ViewNumbers.of(drawn, (views.height, views.width), (rows, columns))
    copied = None
    with torch.cuda.stream(stream):
        numbers = numbers.to(device)
        luma, chroma, audio = (
            tensor.to(device, non_blocking=True) for tensor in (raw.luma, raw.chroma, raw.audio)
        )
        if device.type == "cuda":
            copied = torch.cuda.Event()
            copied.record(torch.cuda.current_stream(device))
            # The loader reuses the memory of the batch after this.
            raw.buffer.copied = copied
    return Upload(raw, drawn, numbers, luma, chroma, audio, copied)


def finish_batch(
    uploaded: Upload, views: ViewConfig, audio: AudioConfig, statistics: AudioStatistics
) -> Batch:
    """Queue the crops and spectrograms of a batch on the current stream, after its copies."""
    if uploaded.copied is not None:
        stream = torch.cuda.current_stream(uploaded.luma.device)
        stream.wait_event(uploaded.copied)
        # The allocator must not give away memory of the stream of copies while this one reads it.
        for tensor in (
            uploaded.luma, uploaded.chroma, uploaded.audio, uploaded.numbers.numbers
        ):  # fmt: skip
            tensor.record_stream(stream)
    numbers = uploaded.numbers
    return Batch(
        video=crop_by_numbers(uploaded.luma, uploaded.chroma, numbers, views.height, views.width),
        audio=view_spectrograms(
            uploaded.audio,
            numbers.rotations,
            audio,
            statistics.mean_db,
            statistics.std_db,
            numbers.gain_db,
        ),
        stored_audio=uploaded.audio,
        directions=numbers.directions,
        views=uploaded.views,
        raw=uploaded.raw,
    )


def one_ahead(items: Iterator[Upload]) -> Iterator[Upload]:
    """Return items in order, each after the next one has been computed."""
    current = next(items, None)
    while current is not None:
        following = next(items, None)
        yield current
        current = following


def draw_batch_views(raw: RawBatch, seed: int, views: ViewConfig) -> Views:
    """Draw the views (B, K) of a batch; all windows of a clip have the same views."""
    maps = [each for each in raw.saliency if each is not None]
    saliency = np.repeat(np.stack(maps), raw.windows_per_clip, 0) if maps else None
    return draw_views(views, seed, raw.epoch, raw.positions, saliency)


def turn_audio(views: Views, yaw: Tensor) -> Views:
    """Return views whose audio is that of sound fields turned about the vertical.

    A source at azimuth a is heard at a + yaw. The video stays as it is.

    Args:
        views: (B, K).
        yaw: (B,) counter-clockwise seen from above, in radians.
    """
    return replace(views, audio_azimuth=views.audio_azimuth - yaw[:, None])
