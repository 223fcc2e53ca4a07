"""The program of a decoder process: fills batches in shared memory until its parent ends.

It imports neither torch nor the index of datasets. Messages are tuples, which are pickled ten times
faster than objects.
"""

from __future__ import annotations

import mmap
import os
import pickle
import resource
import signal
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem
from yt360.execution.huge_pages import map_content
from yt360.execution.limits import Limits
from yt360.shards.format.shard_file import ClipLocation, ShardFile, ShardFiles

# Memory limit of a decoder process. Clips take 100 MB.
MEMORY_BYTES = 4 << 30
# Readers whose shards stay open, such as those of training and validation, of each dataset.
_MAX_SOURCES = 16
_numbers = count()

T = TypeVar("T")
# Offset, shape and type of an array in shared memory.
Place: TypeAlias = tuple[int, tuple[int, ...], str]
# Number and size of a shared memory, whose descriptor follows, and the arrays of the batch in it.
Share: TypeAlias = tuple[Literal["share"], int, int, tuple[Place, Place, Place]]
Release: TypeAlias = tuple[Literal["release"], int]
# Number of a shared memory, the source of the clips, and the clips.
Decode: TypeAlias = tuple[Literal["decode"], int, tuple[object, ...], list[tuple[object, ...]]]
# Errors by the number of the clip in the message.
Answer: TypeAlias = dict[int, Exception]


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


# A shard, where windows are in it, and the batch that they fill.
_Located: TypeAlias = tuple[ShardFile, Any, BatchArrays]


class Reader(Protocol):
    """Reads windows of clips in three steps, such as `avsa.data.clip_reader.ClipReader`."""

    def will_read(self, shard: ShardFile, task: ClipTask) -> None:
        """Ask the system to prefetch what `locate` reads first, without waiting for it."""

    def locate(self, shard: ShardFile, task: ClipTask, batch: BatchArrays) -> Any:
        """Return where the windows of a task are, and let the system prefetch them."""

    def read(self, shard: ShardFile, windows: Any, batch: BatchArrays) -> None:
        """Fill the samples of windows that were located."""


class Source(NamedTuple):
    """Shards that one reader of a dataset reads.

    Attributes:
        number: Distinguishes the reader from others; its shards do not change.
        folder: Folder that must contain the shards.
        keep_open: Whether shards stay open; not if they may be evicted from a cache.
    """

    number: int
    folder: str
    keep_open: bool

    @classmethod
    def of_folder(cls, folder: Path, *, keep_open: bool = True) -> Source:
        """Return a new source."""
        return cls(next(_numbers), str(folder.absolute()), keep_open)


def encode_task(task: ClipTask) -> tuple[object, ...]:
    """Return a task as it is sent."""
    return (*task.location, *task[1:])


def serve(descriptor: int, reader: str, limit_s: float) -> None:
    """Fill batches until the parent closes the connection.

    Args:
        descriptor: The connection.
        reader: ``"module:class"``, a `Reader`.
        limit_s: CPU time limit of a clip; the system ends the process at the limit.
    """
    Limits(memory_bytes=MEMORY_BYTES).limit_memory()
    _allow_open_files()
    module, _, attribute = reader.partition(":")
    server = _Server(Connection(descriptor), getattr(import_module(module), attribute)(), limit_s)
    with suppress(EOFError, ConnectionError):
        server.run()


class _Server:
    def __init__(self, connection: Connection, reader: Reader, limit_s: float) -> None:
        self.connection, self.reader, self.limit_s = connection, reader, limit_s
        self._batches: dict[int, BatchArrays] = {}
        self._shards: OrderedDict[int, ShardFiles] = OrderedDict()

    def run(self) -> None:
        self.connection.send({})  # ready
        while True:
            kind, *message = self.connection.recv()
            if kind == "decode":
                self.connection.send(self._decode(*message))
            elif kind == "share":
                self._share(*message)
            else:
                del self._batches[message[0]]

    def _share(self, number: int, size: int, places: tuple[Place, Place, Place]) -> None:
        descriptor = recv_handle(self.connection)
        shared, first = map_content(descriptor, size, mmap.mmap)
        os.close(descriptor)
        self._batches[number] = BatchArrays(
            *(np.ndarray(shape, kind, shared, first + offset) for offset, shape, kind in places)
        )

    def _decode(
        self, number: int, source: tuple[int, str, bool], clips: list[tuple[object, ...]]
    ) -> Answer:
        batch, files = self._batches[number], self._files(Source(*source))
        results: list[Any] = [ClipTask(ClipLocation(*clip[:5]), *clip[5:]) for clip in clips]  # type: ignore[arg-type]
        for step in (partial(self._open, files), partial(self._locate, batch), self._read):
            for index, before in enumerate(results):
                if not isinstance(before, Exception):
                    results[index] = _result_of(step, before)
        signal.setitimer(signal.ITIMER_PROF, 0)
        return {index: each for index, each in enumerate(results) if isinstance(each, Exception)}

    def _files(self, source: Source) -> ShardFiles:
        """Return the open shards of a source; new ones if they must not stay open."""
        if not source.keep_open:
            return ShardFiles(Path(source.folder))
        files = self._shards.pop(source.number, None) or ShardFiles(Path(source.folder))
        self._shards[source.number] = files
        if len(self._shards) > _MAX_SOURCES:
            self._shards.popitem(last=False)
        return files

    # The steps of reading a clip; each returns the arguments of the next.

    def _open(self, files: ShardFiles, task: ClipTask) -> tuple[ShardFile, ClipTask]:
        shard = files.open(task.location.shard)
        self.reader.will_read(shard, task)
        return shard, task

    def _locate(self, batch: BatchArrays, opened: tuple[ShardFile, ClipTask]) -> _Located:
        self._limit_time()
        shard, task = opened
        return shard, self.reader.locate(shard, task, batch), batch

    def _read(self, located: _Located) -> None:
        self._limit_time()
        self.reader.read(*located)

    def _limit_time(self) -> None:
        """Let the system kill this process at the limit, counted from now."""
        signal.setitimer(signal.ITIMER_PROF, self.limit_s)


def _result_of(step: Callable[[T], object], before: T) -> object:
    """Return what a step returns, or the error that it raises."""
    try:
        return step(before)
    except MemoryError:
        return BadItem("memory", "decoding takes more memory than a process may use")
    except Exception as error:
        return error if isinstance(error, BadItem) else _portable(error)


def _portable(error: Exception) -> Exception:
    """Return an error, or its text if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _allow_open_files() -> None:
    """Let this process open as many files as it may: shards stay open, and memory is passed so."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems say that there is no limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
