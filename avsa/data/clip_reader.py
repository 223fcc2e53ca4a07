"""Read and decode windows of stored clips; runs in decoder processes.

Only the index of a clip and the coded bytes of its windows are read, about a tenth of the clip.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from yt360.clip_codec.decoder import ClipDecoder, audio_range, frame_range
from yt360.clip_codec.flac import read_flac_index
from yt360.clip_codec.mp4_index import read_track
from yt360.errors import BadItem
from yt360.shards.format.shard_file import ClipLocation, ShardFile

# Bytes that contain the index of a clip: 1.5 kB for the video of 10 s, and 0.8 kB for its audio.
INDEX_BYTES = 16 << 10
# Indexes that are kept. One of 10 s takes 4 kB.
MAX_INDEXES = 4096

Index = TypeVar("Index")


class ClipTask(NamedTuple):
    """Windows of a clip, and the samples of a batch that they fill.

    Attributes:
        location: Where the clip is stored.
        row: First of the samples; the others follow it.
        frames: First frame of each window; empty to decode no video.
        samples: First audio sample of each window; empty to decode no audio.
    """

    location: ClipLocation
    row: int
    frames: Sequence[int]
    samples: Sequence[int]


class BatchArrays(NamedTuple):
    """Arrays of a batch, to be filled.

    Attributes:
        luma: uint8 (B, T, H, W).
        chroma: uint8 (B, 2, T, H/2, W/2).
        audio: int16 (B, 4, S).
    """

    luma: NDArray[np.uint8]
    chroma: NDArray[np.uint8]
    audio: NDArray[np.int16]


class ClipReader:
    """Reads windows of clips with a decoder that is reused from clip to clip."""

    def __init__(self, decoder: ClipDecoder | None = None) -> None:
        self.decoder = decoder or ClipDecoder()
        self._indexes: OrderedDict[tuple[object, int], Any] = OrderedDict()

    def read(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> None:
        """Fill the samples of a task.

        Raises:
            BadItem: The clip is damaged, or its shard ends before it.
        """
        if task.frames:
            self._read_video(shard, task, batch)
        if task.samples:
            self._read_audio(shard, task, batch)

    def _read_video(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> None:
        start, size = task.location.mp4_offset, task.location.mp4_bytes
        track = self._index(read_track, shard, start, size)
        _, count, height, width = batch.luma.shape
        for row, frame in enumerate(task.frames, start=task.row):
            coded_range, span = frame_range(track, frame, count, height, width)
            coded = shard.read(start + span.start, span.stop - span.start)
            self.decoder.decode_frames(coded_range, coded, batch.luma[row], batch.chroma[row])

    def _read_audio(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> None:
        start, size = task.location.flac_offset, task.location.flac_bytes
        index = self._index(read_flac_index, shard, start, size)
        _, channels, count = batch.audio.shape
        for row, sample in enumerate(task.samples, start=task.row):
            coded_range, span = audio_range(index, sample, count, channels)
            coded = shard.read(start + span.start, span.stop - span.start)
            self.decoder.decode_audio(coded_range, coded, batch.audio[row])

    def _index(
        self, read: Callable[[memoryview, int], Index], shard: ShardFile, start: int, size: int
    ) -> Index:
        """Return the index of a file in a shard, read at its first use."""
        key = shard.version, start
        index: Index | None = self._indexes.pop(key, None)
        if index is None:
            index = _read_index(read, shard, start, size)
            if len(self._indexes) >= MAX_INDEXES:
                self._indexes.popitem(last=False)
        self._indexes[key] = index
        return index


def _read_index(
    read: Callable[[memoryview, int], Index], shard: ShardFile, start: int, size: int
) -> Index:
    """Read the index of a file in a shard from its beginning, or else from the whole file."""
    if size > INDEX_BYTES:
        try:
            return read(shard.read(start, INDEX_BYTES), size)
        except BadItem as error:
            if error.reason.startswith("shard"):
                raise
    return read(shard.read(start, size), size)
