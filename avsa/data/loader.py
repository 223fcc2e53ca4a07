"""Reading and decoding clips in the order of training, ahead of use.

Decoder processes (`avsa.data.decoder_pool`) read clips and decode them into buffers that are reused
(page-locked for CUDA). A fixed number of batches is loaded ahead, so memory is bounded. The content
of a batch depends only on order, seed and step, not on the number of processes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Annotated

from pydantic import Field

from avsa.data.batch_filler import BatchFiller
from avsa.data.clip_window import VideoPosition, WindowShape, has_room, too_short
from avsa.data.clips import Clips, ClipsInOrder, clip_format, read_in_order
from avsa.data.decoder_pool import DECODERS, DecoderPool
from avsa.data.order import Draw, Order, rank_part
from avsa.data.raw import Buffer, RawBatch
from avsa.views.saliency import Saliency
from yt360.clip_codec.format import ClipFormat
from yt360.config import config_class
from yt360.devices import cores_per_process
from yt360.errors import UserError


@config_class
class DataConfig:
    """Size of clip windows, and how clips are loaded."""

    video_duration_s: Annotated[float, Field(gt=0, le=600)] = 0.5
    """Duration of the video of a clip window."""
    video_position: VideoPosition = "middle"
    """Position of the video in its audio: in the middle or random."""
    audio_duration_s: Annotated[float, Field(gt=0, le=600)] = 1.0
    """Duration of the audio of a clip window."""
    windows_per_clip: Annotated[int, Field(ge=1, le=64)] = 1
    """Clip windows taken from each clip, at different times (more than one for AVTS)."""
    window_gap_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    """Minimum time between the starts of the audio of two windows of a clip."""
    num_workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processes that read and decode clips; 0: one for each core of the rank."""
    prefetch_batches: Annotated[int, Field(ge=1, le=1024)] = 2
    """Batches loaded ahead of use."""

    def window_shape(self, form: ClipFormat) -> WindowShape:
        """Return the size of a clip window for clips of a format."""
        return WindowShape(
            num_frames=max(1, round(self.video_duration_s * form.fps)),
            num_samples=round(self.audio_duration_s * form.sample_rate_hz),
            fps=form.fps,
            sample_rate_hz=form.sample_rate_hz,
            video_position=self.video_position,
        )


class Loader:
    """Loads the batches of a split in a given order.

    A clip that cannot be read is replaced by the next choice of the order (or left out if there is
    none), logged once with its key and reason, and counted.

    Args:
        clips: The split.
        order: Order in which clips are read.
        config: Data options.
        seed: Seed of the run, for clip windows.
        rank: Rank of this process.
        world: Number of ranks that share each global batch.
        pin_memory: Use page-locked buffers, for fast copies to a CUDA device.
        saliency: Computes the map that guides the views of a clip, from its first window.
        decoders: Decoder processes.

    Raises:
        UserError: No clip is long enough.
    """

    def __init__(
        self,
        clips: Clips,
        order: Order,
        config: DataConfig,
        seed: int,
        rank: int = 0,
        world: int = 1,
        pin_memory: bool = False,
        saliency: Saliency | None = None,
        decoders: DecoderPool = DECODERS,
    ) -> None:
        self.clips, self.order, self.config = clips, order, config
        self.rank, self.world, self.pin_memory = rank, world, pin_memory
        self.saliency = saliency
        self.form = clip_format(clips)
        self.window_shape = config.window_shape(self.form)
        self._processes = config.num_workers or cores_per_process()
        self._filler = BatchFiller(
            clips,
            order,
            self.window_shape,
            config.window_gap_s,
            seed,
            saliency,
            decoders,
            self._processes,
        )
        require_long_clips(clips, config)

    @property
    def unreadable(self) -> dict[str, str]:
        """Reason by key, of the clips that could not be read so far."""
        return self._filler.unreadable

    @property
    def failed_reads(self) -> int:
        """Reads that have failed so far."""
        return self._filler.failed_reads

    def batches(self, first_step: int = 0) -> Iterator[RawBatch]:
        """Yield this rank's part of every batch from a step on (endless for training).

        Starting at a later step takes no extra time; clips of earlier steps are not read.

        Raises:
            UserError: A batch cannot be filled, because too many clips cannot be read.
        """
        free = deque(self._allocate() for _ in range(self.config.prefetch_batches + 1))
        pending: deque[tuple[RawBatch, list[Future[None]]]] = deque()
        clips = read_in_order(self.clips, self._clips_of_step, first_step)
        pool = ThreadPoolExecutor(self._processes, thread_name_prefix="loader")
        steps, stop = count(first_step), threading.Event()
        try:
            while True:
                while free and (started := self._start(next(steps), free, pool, clips, stop)):
                    pending.append(started)
                if not pending:
                    return
                batch, parts = pending.popleft()
                clips.advance_to(batch.step)
                started_at = time.perf_counter()
                for part in parts:
                    part.result()
                self._finish(batch, started_at)
                if batch.keys:
                    yield batch
                free.append(batch.buffer)
        finally:
            stop.set()
            for _, parts in pending:
                for part in parts:
                    part.cancel()
            clips.close()  # first: it ends threads that wait for shards
            pool.shutdown(wait=True)

    def load(self, step: int, buffer: Buffer | None = None) -> RawBatch:
        """Return this rank's part of one batch; empty past the end.

        Args:
            step: Step of the batch.
            buffer: Memory of an earlier batch of this loader to reuse; by default new memory.
        """
        started_at = time.perf_counter()
        draws = rank_part(self.order.batch(step), self.rank, self.world)
        batch = self._to_fill(step, draws, buffer or self._allocate())
        clips = read_in_order(
            self.clips, lambda each: [d.clip for d in draws if each == step], step
        )
        try:
            self._filler.fill(batch, dict(enumerate(draws)), clips, threading.Event())
        finally:
            clips.close()
        self._finish(batch, started_at)
        return batch

    def _clips_of_step(self, step: int) -> list[int]:
        """Return the clips of all ranks: those on one machine share a cache."""
        return [draw.clip for draw in self.order.batch(step)]

    def _allocate(self) -> Buffer:
        size = -(-self.order.batch_size // self.world) * self.config.windows_per_clip
        return Buffer.allocate(size, self.form, self.window_shape, self.pin_memory)

    def _to_fill(self, step: int, draws: list[Draw], buffer: Buffer) -> RawBatch:
        return RawBatch.to_fill(step, draws, self.config.windows_per_clip, buffer)

    def _start(
        self,
        step: int,
        free: deque[Buffer],
        pool: ThreadPoolExecutor,
        clips: ClipsInOrder,
        stop: threading.Event,
    ) -> tuple[RawBatch, list[Future[None]]] | None:
        """Start loading the batch of a step in threads; None past the end of the order."""
        draws = rank_part(self.order.batch(step), self.rank, self.world)
        if not draws:
            return None
        buffer = free.popleft()
        buffer.wait_until_free()
        batch = self._to_fill(step, draws, buffer)
        return batch, [
            pool.submit(self._filler.fill, batch, {slot: draws[slot] for slot in part}, clips, stop)
            for part in self._parts(draws, clips)
        ]

    def _parts(self, draws: list[Draw], clips: ClipsInOrder) -> Sequence[Sequence[int]]:
        """Return the slots that each thread fills.

        A thread waits for one shard at a time, and computes the saliency of its clips.
        """
        if self.saliency is not None:
            count = min(self._processes, len(draws))
            return [range(first, len(draws), count) for first in range(count)]
        return clips.by_shard([draw.clip for draw in draws])

    def _finish(self, batch: RawBatch, started_at: float) -> None:
        """Remove missing clips, and record waiting time and failed reads."""
        batch.wait_s = time.perf_counter() - started_at
        batch.failed_reads = self.failed_reads
        if not all(batch.keys):
            self._require_missing_allowed()
            batch.drop_missing()

    def _require_missing_allowed(self) -> None:
        if self.order.full_batches:
            key, reason = next(iter(self.unreadable.items()))
            raise UserError(
                f"{len(self.unreadable)} clips cannot be read, so a batch of "
                f"{self.order.batch_size} different videos cannot be filled; the first is {key}: "
                f"{reason}; repair the dataset (`yt360 check DATASET`), or lower batch_size",
                code="empty",
                key=key,
            )


def require_long_clips(clips: Clips, config: DataConfig) -> None:
    """Check that some clip of a split has room for the windows.

    Raises:
        UserError: No clip has room.
    """
    shape = config.window_shape(clip_format(clips))
    count, gap_s = config.windows_per_clip, config.window_gap_s
    longest_s = float(clips.durations_s.max(initial=0.0))
    if not has_room(shape, longest_s, count, gap_s):
        raise UserError(
            f"the longest clip of the split: {too_short(longest_s, count, gap_s).detail}; lower "
            "data.audio_duration_s, data.windows_per_clip or data.window_gap_s",
            code="out-of-range",
            key="data.windows_per_clip",
        )
