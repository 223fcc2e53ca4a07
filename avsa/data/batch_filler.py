"""Fill batches from clips, and replace clips that cannot be read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from avsa.data.clip_window import WindowShape, draw_clip_windows, too_short
from avsa.data.clips import Clips, ClipsInOrder, part_numbers, parts_of
from avsa.data.decoder_pool import DecoderPool
from avsa.data.decoder_process import ClipTask, Source
from avsa.data.order import Draw, Order
from avsa.data.raw import Buffer, RawBatch
from avsa.views.saliency import Saliency
from yt360.errors import BadItem

logger = logging.getLogger(__name__)


class BatchFiller:
    """Fills the slots of batches, each with the windows of one clip; may be used from many threads.

    Args:
        clips: The split.
        order: Order in which clips are read; has the replacements of unreadable clips.
        shape: Size of clip windows.
        gap_s: Minimum time between the starts of the audio of two windows of a clip.
        seed: Seed of the run, for clip windows.
        saliency: Computes the map that guides the views of a clip, from its first window.
        decoders: Decoder processes.
        processes: Number of decoder processes to use.

    Attributes:
        unreadable: Reason by key, of the clips that could not be read so far.
        failed_reads: Reads that have failed so far.
    """

    def __init__(
        self,
        clips: Clips,
        order: Order,
        shape: WindowShape,
        gap_s: float,
        seed: int,
        saliency: Saliency | None,
        decoders: DecoderPool,
        processes: int,
    ) -> None:
        self.clips, self.order, self.shape, self.gap_s, self.seed = clips, order, shape, gap_s, seed
        self.saliency, self.decoders, self.processes = saliency, decoders, processes
        self.unreadable: dict[str, str] = {}
        self.failed_reads = 0
        self._sources = [
            Source.of_folder(part.dataset, keep_open=part.shards_stay) for part in parts_of(clips)
        ]
        self._part_numbers = part_numbers(clips)
        self._lock = threading.Lock()

    def fill(
        self, batch: RawBatch, draws: dict[int, Draw], clips: ClipsInOrder, stop: threading.Event
    ) -> None:
        """Fill slots from the clips of their draws, or the first replacements that can be read.

        Args:
            batch: The batch.
            draws: Draw of each slot.
            clips: The clips, in the order of training.
            stop: If set, nothing more is decoded.

        Raises:
            CancelledError: `stop` was set.
            UserError: `clips` were closed, or decoder processes cannot be started.
        """
        chosen = {slot: draw.clip for slot, draw in draws.items()}
        replacements: dict[int, Iterator[int]] = {}
        while chosen:
            errors = self._try(batch, chosen, clips, stop)
            for slot, error in errors.items():
                key = self.clips.keys[chosen[slot]]
                batch.unreadable[key] = error.reason
                self._note_failure(key, error)
                if slot not in replacements:
                    replacements[slot] = self.order.replacements(draws[slot])
            others = {slot: next(replacements[slot], None) for slot in errors}
            chosen = {slot: clip for slot, clip in others.items() if clip is not None}

    def _try(
        self, batch: RawBatch, chosen: dict[int, int], clips: ClipsInOrder, stop: threading.Event
    ) -> dict[int, BadItem]:
        """Fill slots from the chosen clips; return the error of each slot that stays empty."""
        tasks, errors = self._tasks(batch, chosen)
        slots = list(tasks)
        for part in clips.by_shard([chosen[slot] for slot in slots]):
            of_part = [slots[number] for number in part]
            found = self._decode(
                [tasks[slot] for slot in of_part], chosen[of_part[0]], batch.buffer, clips, stop
            )
            for slot, error in zip(of_part, found, strict=True):
                if error is not None:
                    errors[slot] = error
        keys = self.clips.keys.take([chosen[slot] for slot in slots])
        for key, (slot, task) in zip(keys, tasks.items(), strict=True):
            if slot not in errors:
                try:
                    self._complete(batch, slot, chosen[slot], key, task)
                except BadItem as error:
                    errors[slot] = error
        return errors

    def _tasks(
        self, batch: RawBatch, chosen: dict[int, int]
    ) -> tuple[dict[int, ClipTask], dict[int, BadItem]]:
        """Draw the windows of clips; return what to decode, and errors of clips without room."""
        count, numbers = batch.windows_per_clip, list(chosen.values())
        durations = self.clips.durations_s[numbers]
        windows = draw_clip_windows(
            self.shape,
            durations,
            count,
            self.gap_s,
            self.seed,
            batch.epoch,
            positions=[batch.positions[slot * count] for slot in chosen],
        )
        tasks, errors = {}, {}
        for slot, location, fits, duration_s, frames, samples in zip(
            chosen,
            self.clips.locate(numbers),
            windows.fits.tolist(),
            durations.tolist(),
            windows.frames.tolist(),
            windows.samples.tolist(),
            strict=True,
        ):
            if fits:
                tasks[slot] = ClipTask(location, slot * count, frames, samples)
            else:
                errors[slot] = too_short(duration_s, count, self.gap_s)
        return tasks, errors

    def _decode(
        self,
        tasks: Sequence[ClipTask],
        clip: int,
        buffer: Buffer,
        clips: ClipsInOrder,
        stop: threading.Event,
    ) -> list[BadItem | None]:
        """Decode clips of a dataset whose shards are present with that of `clip`; return errors."""
        source = self._sources[self._part_numbers[clip]]
        while True:
            try:
                with clips.present(clip):
                    errors = self.decoders.decode(source, tasks, buffer, self.processes, stop)
            except BadItem as error:
                return [error] * len(tasks)
            is_here = source.keep_open or Path(tasks[0].location.shard).exists()
            if not any(errors) or is_here:  # or else another process has just removed the shard
                return errors

    def _complete(self, batch: RawBatch, slot: int, clip: int, key: str, task: ClipTask) -> None:
        """Describe the decoded samples of a slot."""
        for row, (frame, sample) in enumerate(
            zip(task.frames, task.samples, strict=True), start=task.row
        ):
            batch.audio_start_s[row] = sample / self.shape.sample_rate_hz
            batch.video_start_s[row] = frame / self.shape.fps
        row = task.row
        if self.saliency is not None:
            batch.saliency[slot] = self.saliency(
                clip, batch.video_start_s[row], batch.luma[row], batch.audio[row]
            )
        # Last: rows with a key are complete.
        batch.keys[row : row + len(task.frames)] = [key] * len(task.frames)

    def _note_failure(self, key: str, error: BadItem) -> None:
        with self._lock:
            self.failed_reads += 1
            if key in self.unreadable:
                return
            known = error.reason == "shard-unreadable" and str(error) in self.unreadable.values()
            self.unreadable[key] = str(error)
            if not known:  # one line for all clips of a missing shard
                logger.warning("clip %s cannot be read: %s", key, error)
