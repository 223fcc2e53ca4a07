"""Delivery of batches to a device: the training process, with decoding and kernels left out.

Decoder processes sleep for as long as reading and decoding take (`benchmarks.stub_reader`), so that
two cores can show what 16 decoders would deliver. The main thread does all work of a batch up to
the first kernel. Launches are counted instead: torch's device ``meta``, which has shapes but no
values, would spend more time in Python on each than a GPU needs to be given a kernel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from avsa.data.decoder_pool import DecoderPool
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import TrainingOrder
from avsa.views.batch import make_batch, upload
from benchmarks.areas.load import BATCH, BareDecode
from benchmarks.case import Case, Limit, Ratio
from benchmarks.material import Material
from benchmarks.meters import Way, cpu_ms, per_sample, process_ms, result
from benchmarks.samples import AUDIO, UNSCALED, VIEWS, sample_loader
from benchmarks.stub_reader import VARIABLE
from yt360.shards.format.reader import ShardReader

bare_ms = per_sample(process_ms, BATCH)
META = torch.device("meta")
DECODERS = 16
BATCH_SIZES = {4: 28, 1: 112}
"""Clips of a batch by the number of views: those of the recipe avsa."""
SAMPLES = 280
"""Samples of a measurement, rounded up to whole batches."""
WANTED_PER_S = {4: 3000, 1: 6000}
BY_CPU = ", if the decoders had cores of their own"
"""Samples that fit into a second of CPU time of the training process."""
LIBAV = "libav alone, for one sample"


@dataclass(frozen=True)
class Delivery:
    """What was measured while samples were delivered.

    Attributes:
        samples_per_s: Samples per second by the clock.
        main_ms: CPU time of the main thread, per sample.
        process_ms: CPU time of the process without decoder processes, per sample.
    """

    samples_per_s: float
    main_ms: float
    process_ms: float


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    yield main_thread_case(material)
    yield lock_case(material)
    yield launches_case(material)
    yield delivery_case(material)


def main_thread_case(material: Material) -> Case:
    """Measure the main thread: drawing views, grids and bookkeeping."""
    bare_decode = BareDecode(material)
    bare_decode.prepare(0)

    def main_ms(num_views: int) -> float:
        return deliver(material, material.small_dataset, num_views).main_ms

    return Case(
        "main thread of training, per sample; no decoding, no launches",
        {
            "K = 4": lambda _: main_ms(4),
            "K = 1": lambda _: main_ms(1),
            LIBAV: lambda _: bare_ms(lambda _: bare_decode(0), range(4)),
        },
        [Ratio("K = 4", LIBAV), Ratio("K = 1", LIBAV)],
        [Limit("K = 4", at_most=0.08), Limit("K = 1", at_most=0.05)],
        meter=result,
        runs=5,
        inputs=1,
        warm_up=1,
    )


def lock_case(material: Material) -> Case:
    """Measure the loader alone, with frames so small that copies take no time.

    What remains of the CPU time of the process is spent with Python's lock held, or in the system.
    """
    bare_decode = BareDecode(material)
    bare_decode.prepare(0)
    return Case(
        "loader in the training process, per sample; no decoding, no copies",
        {
            "loader": lambda _: deliver(material, material.small_dataset, None).process_ms,
            LIBAV: lambda _: bare_ms(lambda _: bare_decode(0), range(4)),
        },
        [Ratio("loader", LIBAV)],
        [Limit("loader", at_most=0.15)],
        meter=result,
        runs=5,
        inputs=1,
        warm_up=1,
    )


def launches_case(material: Material) -> Case:
    """Count what is queued for a batch of any size."""
    return Case(
        "operations of torch that make a batch on a device",
        {
            "K = 4": lambda _: operations(material, 4),
            "K = 1": lambda _: operations(material, 1),
        },
        unit="a batch",
        meter=result,
        runs=1,
        inputs=1,
        warm_up=0,
    )


def delivery_case(material: Material) -> Case:
    """Emulate 16 decoders."""
    read_s = decoding_s(material)

    def delivered(num_views: int) -> Delivery:
        with all_cores():
            return deliver(material, material.dataset, num_views, read_s)

    def by_clock(num_views: int, _: int) -> float:
        return delivered(num_views).samples_per_s

    def by_cpu(num_views: int, _: int) -> float:
        return 1e3 / delivered(num_views).process_ms

    decoders = f"{DECODERS} decoders alone"
    ways: dict[str, Way] = {}
    for num_views in BATCH_SIZES:
        ways[f"K = {num_views}"] = partial(by_clock, num_views)
        ways[f"K = {num_views}{BY_CPU}"] = partial(by_cpu, num_views)
    return Case(
        "emulated delivery: decoders sleep, no kernels, all cores",
        {**ways, decoders: lambda _: DECODERS / read_s},
        [Ratio(name, decoders, higher_is_better=True) for name in ways],
        [
            Limit(f"K = {num_views}{suffix}", at_least=wanted)
            for num_views, wanted in WANTED_PER_S.items()
            for suffix in ("", BY_CPU)
        ],
        unit="samples/s",
        meter=result,
        runs=5,
        inputs=1,
        warm_up=0,
    )


def deliver(
    material: Material,
    dataset: Path,
    num_views: int | None,
    read_s: float = 0.0,
) -> Delivery:
    """Load batches with sleeping decoders, and upload them to the device ``meta``.

    Args:
        material: Inputs.
        dataset: Which clips.
        num_views: K; None to load batches only.
        read_s: How long a decoder process sleeps for a sample.
    """
    batch_size = 2 if material.tiny else BATCH_SIZES[num_views or 4]
    measured = 2 if material.tiny else -(-SAMPLES // batch_size)
    clips = ShardReader(material.many_clips(dataset, 10 * max(BATCH_SIZES.values())), "train")
    order = TrainingOrder(clips.video_ids, batch_size, 0)
    config = DataConfig(num_threads=2 if material.tiny else DECODERS)
    os.environ[VARIABLE] = str(read_s)
    loader = Loader(clips, order, config, 0, decoders=_sleeping_decoders(read_s))
    views = replace(VIEWS, num_views=num_views or 1)
    batches = loader.batches()
    with ExitStack() as stack:
        stack.callback(batches.close)  # type: ignore[attr-defined]

        def consume(count: int) -> None:
            for raw in islice(batches, count):
                if num_views:
                    upload(raw, 0, views, META)

        consume(config.prefetch_batches + 1)  # decoder processes start
        wall, main, process = time.perf_counter(), time.thread_time(), time.process_time()
        consume(measured)
        samples = measured * batch_size
        return Delivery(
            samples_per_s=samples / (time.perf_counter() - wall),
            main_ms=1e3 * (time.thread_time() - main) / samples,
            process_ms=1e3 * (time.process_time() - process) / samples,
        )


def operations(material: Material, num_views: int) -> int:
    """Return how many operations of torch make a batch, each of which launches a kernel or none."""
    views = replace(VIEWS, num_views=num_views)
    raw = sample_loader(material).load(0)
    make_batch(raw, 0, views, AUDIO, UNSCALED, META)  # fills caches
    with _Count() as count:
        make_batch(raw, 0, views, AUDIO, UNSCALED, META)
    return count.operations


class _Count(TorchDispatchMode):
    """Counts operations on the device ``meta``, except for those that give a view of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation and run it."""
        returned = func(*args, **(kwargs or {}))
        if not func.is_view and getattr(returned, "is_meta", False):
            self.operations += 1
        return returned


@lru_cache
def _sleeping_decoders(read_s: float) -> DecoderPool:  # noqa: ARG001 - the key
    """Return decoder processes; they read how long to sleep from the environment."""
    return DecoderPool("benchmarks.stub_reader:SleepingReader")


def decoding_s(material: Material) -> float:
    """Return the seconds that a decoder process needs for a sample."""
    loader = sample_loader(material, BATCH)
    buffer, numbers = loader.load(0).buffer, range(1 if material.tiny else 10)

    def load(number: int) -> object:
        return loader.load(number, buffer)

    return (cpu_ms(load, numbers) - process_ms(load, numbers)) / BATCH / 1e3


@contextmanager
def all_cores() -> Iterator[None]:
    """Let this process, and those that it starts, run on all cores for a while."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
