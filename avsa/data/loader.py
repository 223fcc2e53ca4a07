"""Reading and decoding what the plan says, ahead of use.

Threads read clips, have them decoded by processes (`avsa.data.decoder_process`) and fill buffers
that are used again and again (page-locked ones for CUDA), a fixed number of batches ahead, so
memory is bounded. What a batch holds depends on plan, seed and step alone, never on threads or
processes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from typing import Annotated, TypeAlias

import torch
from pydantic import Field

from avsa.data.clip_window import Moment, Span, VideoPosition, draw_moments
from avsa.data.clips import Clips, Course, announce, clips_form, follow
from avsa.data.decoder_process import DECODERS, DecoderPool
from avsa.data.raw import Buffer, RawBatch
from avsa.data.sampling import Draw, Order, rank_part
from avsa.views.saliency import Guide, Map
from yt360.clip_codec.format import ClipFormat
from yt360.config import config_class
from yt360.devices import usable_cores
from yt360.errors import BadItem, UserError
from yt360.randomness import keyed_generator

logger = logging.getLogger(__name__)

# Returns a member (``"mp4"``, say) of a clip.
Read: TypeAlias = Callable[[int, str], memoryview]


@config_class
class DataConfig:
    """What is read of a clip, and how."""

    video_duration_s: Annotated[float, Field(gt=0, le=600)] = 0.5
    """Duration of the video of a clip window."""
    video_position: VideoPosition = "middle"
    """Where the video lies within its audio: in the middle, or at a random place."""
    audio_duration_s: Annotated[float, Field(gt=0, le=600)] = 1.0
    """Duration of the audio of a clip window."""
    windows_per_clip: Annotated[int, Field(ge=1, le=64)] = 1
    """Clip windows taken from each clip, at different times (more than one for AVTS)."""
    window_gap_s: Annotated[float, Field(ge=0, le=600)] = 1.0
    """Minimum time between the starts of the audio of two windows of a clip."""
    num_threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Clips read and decoded at a time; 0: one for each core of the rank."""
    prefetch_batches: Annotated[int, Field(ge=1, le=1024)] = 2
    """Batches loaded ahead of use."""

    def span(self, form: ClipFormat) -> Span:
        """Return what a sample consists of in clips of a form."""
        return Span(
            frames=max(1, round(self.video_duration_s * form.fps)),
            samples=round(self.audio_duration_s * form.sample_rate_hz),
            fps=form.fps,
            sample_rate_hz=form.sample_rate_hz,
            video_position=self.video_position,
        )


@dataclass(frozen=True)
class _Loaded:
    """What a thread has put into a buffer for one draw."""

    draw: Draw
    key: str
    moments: list[Moment]
    guide: Map | None


@dataclass(frozen=True)
class _Pending:
    """A batch on its way."""

    step: int
    buffer: Buffer
    parts: list[Future[_Loaded | None]]


class Loader:
    """Batches of a split in the order of a plan.

    A clip that cannot be read is replaced by the plan's next choice for it (or left out, where the
    plan has none), logged once with its key and reason, and counted.

    Args:
        clips: The split.
        plan: The order.
        config: What is taken from each clip.
        seed: Of the run: keys the times at which samples are taken.
        rank: This process among `world`.
        world: Number of processes that share each global batch.
        pin_memory: Fill page-locked buffers, for fast copies to a CUDA device.
        guide: Makes the map that the views of a clip follow (`avsa.views.saliency`), of its first
            moment.
        decoders: What decodes.

    Attributes:
        unreadable: Reason by key, of the clips that could not be read so far.
        failed_reads: Reads of clips that failed so far; each time another clip was taken.
        wait_s: Time that callers waited for batches so far.

    Raises:
        UserError: No clip is long enough for what is to be taken from it.
    """

    def __init__(
        self,
        clips: Clips,
        plan: Order,
        config: DataConfig,
        seed: int,
        rank: int = 0,
        world: int = 1,
        pin_memory: bool = False,
        guide: Guide | None = None,
        decoders: DecoderPool = DECODERS,
    ) -> None:
        self.clips, self.plan, self.config, self.seed = clips, plan, config, seed
        self.rank, self.world, self.pin_memory = rank, world, pin_memory
        self.guide, self.decoders = guide, decoders
        self.form = clips_form(clips.info)
        self.span = config.span(self.form)
        self.unreadable: dict[str, str] = {}
        self.failed_reads = 0
        self.wait_s = 0.0
        self._lock = threading.Lock()
        require_long_clips(clips, config)

    def batches(self, first_step: int = 0) -> Iterator[RawBatch]:
        """Yield this rank's part of every batch from a step on (endless for a training plan).

        Starting anywhere costs the same; nothing of the steps before is read.

        Raises:
            UserError: Nothing in the split can be read.
        """
        free = deque(self._allocate() for _ in range(self.config.prefetch_batches + 1))
        pending: deque[_Pending] = deque()
        course = follow(self.clips, self._clips_of_step, first_step)
        pool = ThreadPoolExecutor(self._threads(), thread_name_prefix="loader")
        steps = count(first_step)
        try:
            while True:
                while free and (started := self._start(next(steps), free, pool, course)):
                    pending.append(started)
                if not pending:
                    return
                course.at_step(pending[0].step)
                batch = self._finish(pending.popleft())
                if batch.keys:
                    yield batch
                free.append(batch.buffer)
        finally:
            for batch_on_its_way in pending:
                for part in batch_on_its_way.parts:
                    part.cancel()
            course.close()  # first: it lets go of threads that wait for what will never come
            pool.shutdown(wait=True)

    def load(self, step: int, buffer: Buffer | None = None) -> RawBatch:
        """Return this rank's part of one batch, made in the calling thread; empty past the end.

        Args:
            step: Step of the batch.
            buffer: Memory to use (that of an earlier batch of this loader); by default new memory.
        """
        started = time.perf_counter()
        buffer = buffer or self._allocate()
        draws = rank_part(self.plan.batch(step), self.rank, self.world)
        results = [
            self._load(draw, slot, buffer, self.clips.read) for slot, draw in enumerate(draws)
        ]
        return self._assemble(step, buffer, results, time.perf_counter() - started)

    def _clips_of_step(self, step: int) -> list[int]:
        """Return what all ranks read: those on one machine share a cache."""
        return [draw.clip for draw in self.plan.batch(step)]

    def _allocate(self) -> Buffer:
        size = -(-self.plan.batch_size // self.world) * self.config.windows_per_clip
        return Buffer.allocate(size, self.form, self.span, self.pin_memory)

    def _start(
        self, step: int, free: deque[Buffer], pool: ThreadPoolExecutor, course: Course
    ) -> _Pending | None:
        """Have threads fill a free buffer with a step's batch; None past the plan's end."""
        draws = rank_part(self.plan.batch(step), self.rank, self.world)
        if not draws:
            return None
        for draw in draws:
            for member in ("mp4", "flac"):
                announce(self.clips, draw.clip, member)
        buffer = free.popleft()
        buffer.wait_until_free()
        parts = [
            pool.submit(self._load, draw, slot, buffer, course.read)
            for slot, draw in enumerate(draws)
        ]
        return _Pending(step, buffer, parts)

    def _finish(self, pending: _Pending) -> RawBatch:
        """Wait for the parts of a batch and put it together."""
        started = time.perf_counter()
        results = [part.result() for part in pending.parts]
        wait_s = time.perf_counter() - started
        return self._assemble(pending.step, pending.buffer, results, wait_s)

    def _assemble(
        self, step: int, buffer: Buffer, results: Sequence[_Loaded | None], wait_s: float
    ) -> RawBatch:
        self.wait_s += wait_s
        loaded = [result for result in results if result is not None]
        if len(loaded) < len(results):
            self._close_gaps(results, buffer)
        moments = self.config.windows_per_clip
        used = len(loaded) * moments
        return RawBatch(
            luma=buffer.luma[:used],
            chroma=buffer.chroma[:used],
            sound=buffer.sound[:used],
            keys=[part.key for part in loaded for _ in range(moments)],
            positions=[part.draw.position for part in loaded for _ in range(moments)],
            start_s=[
                moment.sample / self.span.sample_rate_hz
                for part in loaded
                for moment in part.moments
            ],
            video_start_s=[
                moment.frame / self.span.fps for part in loaded for moment in part.moments
            ],
            guides=[part.guide for part in loaded],
            epoch=loaded[0].draw.epoch if loaded else 0,
            step=step,
            moments=moments,
            wait_s=wait_s,
            failed_reads=self.failed_reads,
            buffer=buffer,
        )

    def _close_gaps(self, results: Sequence[_Loaded | None], buffer: Buffer) -> None:
        """Move the samples of a batch together where clips are missing."""
        if self.plan.full_batches:
            key, reason = next(iter(self.unreadable.items()))
            raise UserError(
                f"{len(self.unreadable)} clips cannot be read, so a batch of "
                f"{self.plan.batch_size} different videos cannot be filled; the first is {key}: "
                f"{reason}; mend the dataset (`yt360 check DATASET`), or lower batch_size"
            )
        moments = self.config.windows_per_clip
        rows = torch.arange(len(results) * moments).view(-1, moments)
        kept = rows[[result is not None for result in results]].flatten()
        for tensor in (buffer.luma, buffer.chroma, buffer.sound):
            tensor[: len(kept)] = tensor[kept]

    def _load(self, draw: Draw, slot: int, buffer: Buffer, read: Read) -> _Loaded | None:
        """Fill the rows of a draw, from its clip or the first of its replacements that reads."""
        for clip in chain([draw.clip], self.plan.replacements(draw)):
            try:
                return self._load_clip(clip, draw, slot, buffer, read)
            except BadItem as error:
                self._note(self.clips.keys[clip], error)
        return None

    def _load_clip(self, clip: int, draw: Draw, slot: int, buffer: Buffer, read: Read) -> _Loaded:
        moments = draw_moments(
            self.span,
            self.clips.durations_s[clip],
            self.config.windows_per_clip,
            self.config.window_gap_s,
            keyed_generator(self.seed, "moments", draw.epoch, draw.position),
        )
        mp4, flac = read(clip, "mp4"), read(clip, "flac")
        for row, moment in enumerate(moments, start=slot * self.config.windows_per_clip):
            luma, chroma, sound = buffer.row(row)
            self.decoders.decode_frames(mp4, moment.frame, luma, chroma)
            self.decoders.decode_audio(flac, moment.sample, sound)
        key, first_row = self.clips.keys[clip], slot * self.config.windows_per_clip
        guide = self.guide and self.guide(
            key, moments[0].frame / self.span.fps, buffer.luma[first_row], buffer.sound[first_row]
        )
        return _Loaded(draw, key, moments, guide)

    def _note(self, key: str, error: BadItem) -> None:
        with self._lock:
            self.failed_reads += 1
            if key in self.unreadable:
                return
            known = error.reason == "shard-unreadable" and str(error) in self.unreadable.values()
            self.unreadable[key] = str(error)
            if not known:  # a shard that is gone takes many clips with it: one line is enough
                logger.warning("clip %s cannot be read: %s", key, error)

    def _threads(self) -> int:
        if self.config.num_threads:
            return self.config.num_threads
        return max(
            1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        )  # set by torchrun


def require_long_clips(clips: Clips, config: DataConfig) -> None:
    """Check that some clip of a split is long enough for what is to be taken from it.

    Raises:
        UserError: None is.
    """
    longest = max(clips.durations_s, default=0.0)
    try:
        draw_moments(
            config.span(clips_form(clips.info)),
            longest,
            config.windows_per_clip,
            config.window_gap_s,
            keyed_generator("check"),
        )
    except BadItem as error:
        raise UserError(
            f"the longest clip of the split: {error.detail}; lower data.audio_duration_s, "
            "data.windows_per_clip or data.window_gap_s"
        ) from None
