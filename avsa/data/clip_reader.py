"""Read and decode windows of stored clips; runs in decoder processes.

Only the index of a clip and the coded bytes of its windows are read, about a tenth of the clip.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

from avsa.data.decoder_process import BatchArrays, ClipTask
from yt360.clip_codec.decoder import ClipDecoder, CodedRange, audio_range, frame_range
from yt360.clip_codec.flac import read_flac_index
from yt360.clip_codec.mp4_index import read_track
from yt360.errors import BadItem
from yt360.shards.format.shard_file import ShardFile

# Bytes that contain the index of a clip: 1.5 kB for the video of 10 s, and 4.4 kB for its audio.
INDEX_BYTES = 16 << 10
# Indexes that are kept. Those of a clip of 10 s take 8 kB.
MAX_INDEXES = 4096

# Memory for the coded bytes of a window, which take 0.2 MB, of clips of any usual format.
KEPT_BYTES = 1 << 20

Index = TypeVar("Index")
# A range of a clip, and its first byte and size in the shard.
_Coded: TypeAlias = tuple[CodedRange, int, int]


class CodedWindows(NamedTuple):
    """Where the windows of a clip are in its shard.

    Attributes:
        row: First of the samples that they fill.
        video: Video of each window.
        audio: Audio of each window.
    """

    row: int
    video: list[_Coded]
    audio: list[_Coded]


class ClipReader:
    """Reads windows of clips with a decoder that is reused from clip to clip.

    Each step is faster if it is done for several clips before the next: a disk then works on all of
    them at once, and the code of a step stays in the caches.
    """

    def __init__(self, decoder: ClipDecoder | None = None) -> None:
        self.decoder = decoder or ClipDecoder()
        self._indexes: OrderedDict[tuple[object, int], Any] = OrderedDict()
        self._coded = memoryview(bytearray(KEPT_BYTES))

    def will_read(self, shard: ShardFile, task: ClipTask) -> None:
        """Ask the system to prefetch what `locate` reads first, without waiting for it."""
        for is_read, start, size in _files_of(task):
            if is_read and (shard.version, start) not in self._indexes:
                shard.will_read(start, min(size, INDEX_BYTES))

    def locate(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> CodedWindows:
        """Find the windows of a task in the index of their clip, and let the system prefetch them.

        Raises:
            BadItem: The clip is damaged or too short, or its shard ends before it.
        """
        windows = CodedWindows(
            task.row, self._video(shard, task, batch), self._audio(shard, task, batch)
        )
        for _, start, size in windows.video + windows.audio:
            shard.will_read(start, size)
        return windows

    def read(self, shard: ShardFile, windows: CodedWindows, batch: BatchArrays) -> None:
        """Fill the samples of the windows.

        Raises:
            BadItem: The clip is damaged, or its shard ends before it.
        """
        for row, (coded_range, start, size) in enumerate(windows.video, start=windows.row):
            coded = self._read(shard, start, size)
            self.decoder.decode_frames(coded_range, coded, batch.luma[row], batch.chroma[row])
        for row, (coded_range, start, size) in enumerate(windows.audio, start=windows.row):
            self.decoder.decode_audio(coded_range, self._read(shard, start, size), batch.audio[row])

    def _read(self, shard: ShardFile, start: int, size: int) -> memoryview:
        """Read coded bytes; they are valid until the next call."""
        return shard.read(start, size, self._coded if size <= KEPT_BYTES else None)

    def _video(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> list[_Coded]:
        """Return the coded video of each window."""
        if not task.frames:
            return []
        start, size = task.location.mp4_offset, task.location.mp4_bytes
        track = self._index(read_track, shard, start, size)
        shape = batch.luma.shape[1:]
        ranges = (frame_range(track, frame, *shape) for frame in task.frames)
        return [(coded, start + span.start, span.stop - span.start) for coded, span in ranges]

    def _audio(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> list[_Coded]:
        """Return the coded audio of each window."""
        if not task.samples:
            return []
        start, size = task.location.flac_offset, task.location.flac_bytes
        index = self._index(read_flac_index, shard, start, size)
        _, channels, count = batch.audio.shape
        ranges = (audio_range(index, sample, count, channels) for sample in task.samples)
        return [(coded, start + span.start, span.stop - span.start) for coded, span in ranges]

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


def _files_of(task: ClipTask) -> Iterator[tuple[bool, int, int]]:
    """Yield whether a file of a clip is read, its first byte in the shard, and its size."""
    location = task.location
    yield bool(task.frames), location.mp4_offset, location.mp4_bytes
    yield bool(task.samples), location.flac_offset, location.flac_bytes


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
