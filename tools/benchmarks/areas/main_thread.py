"""The main thread of training: what it does for each batch to make its views and spectrograms.

The kernels are those of a GPU, on a few elements: views of 4 x 4 pixels in panoramas of 8 x 16. So
what is measured is drawing views and queuing work; queuing a kernel on a GPU costs about as much as
running one on a few elements.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch

from avsa.data.raw import Buffer, RawBatch
from avsa.views.batch import upload
from avsa.views.crops import crop_batched
from avsa.views.sampling import ViewConfig
from avsa.views.spectrogram import AudioConfig, view_spectrograms
from benchmarks.case import Case, Limit
from benchmarks.material import Material
from benchmarks.meters import result
from benchmarks.samples import UNSCALED

ROWS, COLUMNS, SIZE = 8, 16, 4
AUDIO = AudioConfig()
STEPS = 5
"""Batches of a run, of which the mean is taken."""


def cases(material: Material) -> Iterator[Case]:  # noqa: ARG001
    """Yield the cases: the batches of both stages of the recipe `avsa`."""
    yield main_thread_case(4, 28, at_most_ms=0.08)
    yield main_thread_case(1, 112, at_most_ms=0.05)


def main_thread_case(num_views: int, batch_size: int, at_most_ms: float) -> Case:
    """Draw the views of a batch, and queue its crops and spectrograms."""
    views = ViewConfig(num_views=num_views, height=SIZE, width=SIZE)
    way = f"{num_views} views, batches of {batch_size}"
    return Case(
        f"main thread: {way}",
        {way: _milliseconds_of_a_sample(views, batch_size)},
        limits=[Limit(way, at_most=at_most_ms)],
        unit="ms a sample",
        meter=result,
    )


def _milliseconds_of_a_sample(views: ViewConfig, batch_size: int) -> Callable[[int], float]:
    buffer = Buffer.of_shapes(
        (batch_size, 1, ROWS, COLUMNS),
        (batch_size, 2, 1, ROWS // 2, COLUMNS // 2),
        (batch_size, 4, AUDIO.n_fft),
    )
    for tensor in (buffer.luma, buffer.chroma, buffer.audio):
        tensor.zero_()
    device = torch.device("cpu")

    def make(first_position: int) -> None:
        uploaded = upload(_raw_batch(buffer, first_position, batch_size), 0, views, device)
        numbers = uploaded.numbers
        crop_batched(uploaded.luma, uploaded.chroma, numbers, SIZE, SIZE)
        # Spectrograms are queued for all samples at once on a device, one by one on the CPU.
        view_spectrograms(
            uploaded.audio[:1],
            numbers.rotations[:1],
            AUDIO,
            UNSCALED.mean_db,
            UNSCALED.std_db,
            numbers.gain_db[:1],
        )

    def measure(number: int) -> float:
        started = time.thread_time()
        for step in range(STEPS):
            make((number * STEPS + step) * batch_size)
        return 1e3 * (time.thread_time() - started) / (STEPS * batch_size)

    return measure


def _raw_batch(buffer: Buffer, first_position: int, size: int) -> RawBatch:
    return RawBatch(
        luma=buffer.luma,
        chroma=buffer.chroma,
        audio=buffer.audio,
        keys=["clip"] * size,
        positions=list(range(first_position, first_position + size)),
        audio_start_s=[0.0] * size,
        video_start_s=[0.0] * size,
        saliency=[None] * size,
        epoch=0,
        step=0,
        windows_per_clip=1,
        wait_s=0.0,
        failed_reads=0,
        unreadable={},
        buffer=buffer,
    )
