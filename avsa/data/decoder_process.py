"""Decode in separate processes, so that a decoder crash fails one clip instead of the run.

`DecoderPool` decodes like `yt360.clip_codec.decoder.ClipDecoder`, for any number of threads. Coded
and decoded bytes are in memory that both processes map; each call is one short message and one
answer. A process serves one call at a time and is reused.

Nothing remains after the program ends: a decoder process exits when its connection closes, and the
shared memory has no name.
"""

from __future__ import annotations

import atexit
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yt360.clip_codec.decoder import CodedRange, locate_audio, locate_frames
from yt360.errors import BadItem, UserError
from yt360.execution.limits import Limits
from yt360.execution.local import Crashed

# CPU time limit of a call. Clips take milliseconds.
LIMIT_S = 60.0
# Memory limit of a decoder process. Clips take 100 MB.
MEMORY_BYTES = 4 << 30
_ALIGNMENT = 64
_GROWTH = 1 << 20

Method: TypeAlias = Literal["decode_frames", "decode_audio"]
# Offset, shape and type of an array in shared memory.
Place: TypeAlias = tuple[int, tuple[int, ...], str]


class DecoderPool:
    """Decoder processes, started on demand; each serves one call at a time.

    Methods are thread-safe; there are as many processes as concurrent calls.

    Args:
        decoder: ``"module:class"`` of the decoder, with the methods of
            `yt360.clip_codec.decoder.ClipDecoder`.
        limit_s: CPU time limit of a call.
    """

    def __init__(
        self, decoder: str = "yt360.clip_codec.decoder:ClipDecoder", limit_s: float = LIMIT_S
    ) -> None:
        self.decoder, self.limit_s = decoder, limit_s
        self._idle: deque[_DecoderProcess] = deque()
        # A fork of this process shares the connections and must not use them.
        os.register_at_fork(after_in_child=self._idle.clear)
        atexit.register(self.close)

    def decode_frames(
        self, mp4: memoryview, first: int, luma: NDArray[np.uint8], chroma: NDArray[np.uint8]
    ) -> None:
        """Decode consecutive frames of a clip's MP4: `ClipDecoder.decode_frames`.

        Raises:
            BadItem: The clip is damaged; ``"crash"``: the decoder process died; ``"endless"``: it
                reached the time limit.
        """
        self._call("decode_frames", *locate_frames(mp4, first, *luma.shape), luma, chroma)

    def decode_audio(self, flac: memoryview, first: int, samples: NDArray[np.int16]) -> None:
        """Decode consecutive samples of a clip's FLAC into an array: `ClipDecoder.decode_audio`.

        Raises:
            BadItem: See `decode_frames`.
        """
        channels, count = samples.shape
        self._call("decode_audio", *locate_audio(flac, first, count, channels), samples)

    @property
    def idle_processes(self) -> list[int]:
        """Ids of the idle processes."""
        return [process.pid for process in self._idle]

    def close(self) -> None:
        """End the idle processes; later calls start new ones."""
        while self._idle:
            self._idle.pop().close()

    def _call(
        self, method: Method, coded_range: CodedRange, coded: memoryview, *targets: NDArray[Any]
    ) -> None:
        for attempt in (1, 2):
            try:
                with self._borrowed(new=attempt == 2) as process:
                    process.call(method, coded_range, coded, targets)
            except _DecoderDiedError as death:
                if death.exit_code == -signal.SIGPROF:
                    raise BadItem(
                        "endless", f"decoding reached its limit of {self.limit_s:g} s"
                    ) from None
                # The clip may not be the cause (memory may have run out), so it is retried once,
                # in a new process: idle ones may have been killed too.
                if attempt == 2:
                    raise BadItem("crash", str(death)) from None
            else:
                return

    @contextmanager
    def _borrowed(self, *, new: bool = False) -> Iterator[_DecoderProcess]:
        process = None
        if not new:
            with suppress(IndexError):
                process = self._idle.pop()
        if process is None:
            process = _DecoderProcess(self.decoder, self.limit_s)
        try:
            yield process
        except BadItem:
            self._idle.append(process)
            raise
        except BaseException:  # it is dead, or its answer is still to come
            process.close()
            raise
        self._idle.append(process)


# One pool serves all loaders of a program: training and validation take turns.
DECODERS = DecoderPool()


class _DecoderDiedError(Exception):
    """A decoder process ended without an answer."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(Crashed(exit_code, "the decoder").describe())
        self.exit_code = exit_code


class _DecoderProcess:
    """The parent's end of one decoder process."""

    def __init__(self, decoder: str, limit_s: float) -> None:
        self._memory = _SharedMemory(_anonymous_file())
        self._connection, theirs = Pipe()
        descriptors = theirs.fileno(), self._memory.descriptor
        # Not by `multiprocessing`, which imports the main program, and torch with it.
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import _serve; "
            f"_serve{(*descriptors, decoder, limit_s)!r}"
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,  # the parent handles Ctrl-C
            )
            theirs.close()  # so that the death of the process closes the connection
            self._receive()
        except (OSError, _DecoderDiedError) as error:
            raise UserError(
                f"a decoder process cannot be started ({error}); if memory or processes are "
                "limited, lower data.num_threads",
                code="system",
                key="data.num_threads",
            ) from None

    def call(
        self,
        method: Method,
        coded_range: CodedRange,
        coded: memoryview,
        targets: tuple[NDArray[Any], ...],
    ) -> None:
        """Decode a range into arrays.

        Raises:
            BadItem: The clip is damaged.
            _DecoderDiedError: The process died.
        """
        stored = np.asarray(coded)
        places, size = _places(stored, *targets)
        self._memory.reserve(size)
        shared, *decoded = self._memory.arrays(places)
        shared[...] = stored  # NumPy releases the GIL while it copies
        with suppress(OSError):  # it is dead; receiving raises the error
            self._connection.send((method, coded_range, places, size))
        self._receive()
        for target, source in zip(targets, decoded, strict=True):
            target[...] = source

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def close(self) -> None:
        """End the process at once."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _receive(self) -> None:
        """Wait for an answer; raise the error in it."""
        try:
            error = self._connection.recv()
        except (EOFError, OSError):
            raise _DecoderDiedError(self._process.wait()) from None
        if error is not None:
            raise error


def _serve(connection_descriptor: int, memory_descriptor: int, name: str, limit_s: float) -> None:
    """Decode until the parent closes the connection; the main function of the process."""
    Limits(memory_bytes=MEMORY_BYTES).limit_memory()
    module, _, attribute = name.partition(":")
    decoder = getattr(import_module(module), attribute)()
    connection, memory = Connection(connection_descriptor), _SharedMemory(memory_descriptor)
    with suppress(EOFError, ConnectionError):
        connection.send(None)
        while True:
            method, coded_range, places, size = connection.recv()
            memory.reserve(size)
            stored, *decoded = memory.arrays(places)
            signal.setitimer(signal.ITIMER_PROF, limit_s)  # the system then kills this process
            try:
                answer = getattr(decoder, method)(coded_range, stored.data, *decoded)
            except MemoryError:
                answer = BadItem("memory", "decoding takes more memory than a process may use")
            except Exception as error:
                answer = error
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send(answer)


def _places(*arrays: NDArray[Any]) -> tuple[list[Place], int]:
    """Return the places of arrays in shared memory, one after the other, and the total size."""
    places, end = [], 0
    for array in arrays:
        places.append((end, array.shape, array.dtype.str))
        end += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    return places, end


class _SharedMemory:
    """A file that two processes map; it grows and never shrinks."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map: mmap.mmap | bytearray = bytearray()

    def __del__(self) -> None:
        os.close(self.descriptor)

    def reserve(self, size: int) -> None:
        """Map at least `size` bytes; enlarge the file if needed."""
        if size > len(self._map):
            if size > os.fstat(self.descriptor).st_size:
                os.ftruncate(self.descriptor, -(-size // _GROWTH) * _GROWTH)
            self._map = mmap.mmap(self.descriptor, 0)

    def arrays(self, places: list[Place]) -> list[NDArray[Any]]:
        """Return views of places in the memory."""
        return [np.ndarray(shape, kind, self._map, offset) for offset, shape, kind in places]


def _anonymous_file() -> int:
    """Return the descriptor of a file without a name, which ends with its last descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("avsa-decoder")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
