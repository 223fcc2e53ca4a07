"""Delivery of batches to a GPU: the training process, without decoding and with small kernels.

Decoder processes sleep for as long as reading and decoding take (`benchmarks.stub_reader`), so that
two cores can show what 16 decoders would deliver. Kernels run on a few elements
(`benchmarks.stub_device`), or not at all. All else is the code of training: the order, clip
windows, messages to the processes, and drawing views.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice

from avsa.data.decoder_pool import DecoderPool
from avsa.data.loader import Loader
from avsa.data.training_order import TrainingOrder
from benchmarks.areas.load import BareDecode, clips_of_batch
from benchmarks.case import Case, Limit, Ratio
from benchmarks.material import Material
from benchmarks.meters import Way, cpu_ms, per_sample, process_ms, result
from benchmarks.samples import VIEWS, sample_loader
from benchmarks.stub_device import WINDOWS, run_kernels, upload_corner
from benchmarks.stub_reader import VARIABLE
from yt360.shards.format.reader import ShardReader

DECODERS = 16
MANY_DECODERS = 32
"""As many as K = 1 needs: a decoder process takes about 4 ms for a sample (docs/speed.md)."""
BATCH_SIZES = {4: 28, 1: 112}
"""Clips of a batch by the number of views: those of the recipe avsa."""
SAMPLES = 1120
"""Samples of a measurement, rounded up to whole batches."""
MAX_MAIN_MS = {4: 0.08, 1: 0.05}
BOOKKEEPING = ", views and bookkeeping"
"""Taking batches, drawing views and packing their numbers for one copy."""
QUEUED = ", with kernels queued"
"""The same, and queuing the kernels that crop views and transform audio."""
EMULATED = {(4, DECODERS): 3000, (1, DECODERS): None, (1, MANY_DECODERS): 6000}
"""Number of views and of decoders, and how many samples they must deliver in a second."""
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
    yield delivery_case(material)


def main_thread_case(material: Material) -> Case:
    """Measure the main thread, without the kernels that it queues and with them."""
    bare_decode = BareDecode(material)
    bare_decode.prepare(0)

    def main_ms(num_views: int, kernels: bool, _: int) -> float:
        return deliver(material, num_views, kernels=kernels).main_ms

    views = {num_views: f"K = {num_views}{BOOKKEEPING}" for num_views in MAX_MAIN_MS}
    queued = {num_views: f"K = {num_views}{QUEUED}" for num_views in MAX_MAIN_MS}
    return Case(
        "main thread of training, per sample; no decoding",
        {
            **{name: partial(main_ms, num_views, False) for num_views, name in views.items()},
            **{name: partial(main_ms, num_views, True) for num_views, name in queued.items()},
            LIBAV: partial(libav_ms, bare_decode),
        },
        [Ratio(name, LIBAV) for name in (*views.values(), *queued.values())],
        [Limit(views[num_views], at_most=most) for num_views, most in MAX_MAIN_MS.items()],
        meter=result,
        runs=5,
        inputs=1,
        warm_up=1,
    )


def lock_case(material: Material) -> Case:
    """Measure the loader alone: its CPU time holds Python's lock, or is spent in the system."""
    bare_decode = BareDecode(material)
    bare_decode.prepare(0)
    return Case(
        "loader in the training process, per sample; no decoding",
        {
            "loader": lambda _: deliver(material, None).process_ms,
            LIBAV: partial(libav_ms, bare_decode),
        },
        [Ratio("loader", LIBAV)],
        [Limit("loader", at_most=0.15)],
        meter=result,
        runs=5,
        inputs=1,
        warm_up=1,
    )


def libav_ms(bare_decode: BareDecode, _: int) -> float:
    """Return milliseconds of CPU time of this process for a sample of the first batch."""
    return per_sample(process_ms, bare_decode.clips)(lambda _: bare_decode(0), range(4))


def delivery_case(material: Material) -> Case:
    """Emulate decoders with cores of their own."""
    read_s = decoding_s(material)

    def delivered(num_views: int, decoders: int) -> Delivery:
        with all_cores():
            return deliver(material, num_views, read_s, decoders=decoders)

    def by_clock(num_views: int, decoders: int, _: int) -> float:
        return delivered(num_views, decoders).samples_per_s

    def by_cpu(num_views: int, decoders: int, _: int) -> float:
        return 1e3 / delivered(num_views, decoders).process_ms

    def alone(decoders: int, _: int) -> float:
        return decoders / read_s

    ways: dict[str, Way] = {}
    ratios, limits = [], []
    for decoders in (DECODERS, MANY_DECODERS):
        ways[_alone(decoders)] = partial(alone, decoders)
    for (num_views, decoders), wanted in EMULATED.items():
        name = f"K = {num_views}, {decoders} decoders"
        ways[name] = partial(by_clock, num_views, decoders)
        ways[f"{name}{BY_CPU}"] = partial(by_cpu, num_views, decoders)
        ratios.append(Ratio(name, _alone(decoders), higher_is_better=True))
        if wanted is not None:
            limits += [Limit(each, at_least=wanted) for each in (name, f"{name}{BY_CPU}")]
    return Case(
        "emulated delivery: decoders sleep, small kernels, all cores",
        ways,
        ratios,
        limits,
        unit="samples/s",
        meter=result,
        runs=5,
        inputs=1,
        warm_up=0,
    )


def _alone(decoders: int) -> str:
    return f"{decoders} decoders alone"


def deliver(
    material: Material,
    num_views: int | None,
    read_s: float = 0.0,
    *,
    kernels: bool = True,
    decoders: int = DECODERS,
) -> Delivery:
    """Load batches with sleeping decoders, and make views of them on the stand-in for a GPU.

    Args:
        material: Inputs.
        num_views: K; None to load batches only.
        read_s: How long a decoder process sleeps for a sample.
        kernels: Whether to queue the kernels that make the views, too.
        decoders: Number of decoder processes.
    """
    batch_size = 2 if material.tiny else BATCH_SIZES[num_views or 4]
    measured = 2 if material.tiny else -(-SAMPLES // batch_size)
    dataset = material.many_clips(material.small_dataset, 10 * max(BATCH_SIZES.values()))
    clips = ShardReader(dataset, "train")
    order = TrainingOrder(clips.video_ids, batch_size, 0)
    config = replace(WINDOWS, num_workers=2 if material.tiny else decoders)
    os.environ[VARIABLE] = str(read_s)
    loader = Loader(clips, order, config, 0, decoders=_sleeping_decoders(read_s, decoders))
    views = replace(VIEWS, num_views=num_views or 1)
    batches = loader.batches()
    with ExitStack() as stack:
        stack.callback(batches.close)  # type: ignore[attr-defined]

        def consume(count: int) -> None:
            for raw in islice(batches, count):
                if num_views is None:
                    continue
                uploaded = upload_corner(raw, views)
                if kernels:
                    run_kernels(uploaded)

        consume(config.prefetch_batches + 1)  # decoder processes start
        wall, main, process = time.perf_counter(), time.thread_time(), time.process_time()
        consume(measured)
        samples = measured * batch_size
        return Delivery(
            samples_per_s=samples / (time.perf_counter() - wall),
            main_ms=1e3 * (time.thread_time() - main) / samples,
            process_ms=1e3 * (time.process_time() - process) / samples,
        )


@lru_cache
def _sleeping_decoders(read_s: float, count: int) -> DecoderPool:  # noqa: ARG001 - the key
    """Return decoder processes; they read how long to sleep from the environment."""
    return DecoderPool("benchmarks.stub_reader:SleepingReader")


def decoding_s(material: Material) -> float:
    """Return the seconds that a decoder process needs for a sample."""
    clips = clips_of_batch(material)
    loader = sample_loader(material, clips)
    buffer, numbers = loader.load(0).buffer, range(1 if material.tiny else 10)

    def load(number: int) -> object:
        return loader.load(number, buffer)

    return (cpu_ms(load, numbers) - process_ms(load, numbers)) / clips / 1e3


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
