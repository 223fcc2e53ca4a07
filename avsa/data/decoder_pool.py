"""Decoder processes, in which a crash of a decoder fails one clip instead of the run.

Processes read the shards and decode into shared memory, so a message about several clips is all
that passes between them and this process, where one thread serves all of them. A process has up to
`_DEPTH` messages at a time, so it does not wait for Python's lock in this process.

Nothing remains after the program ends: a decoder process exits when its connection closes, and the
shared memory has no name.
"""

from __future__ import annotations

import atexit
import os
import pickle
import selectors
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle

from avsa.data import decoder_process
from avsa.data.clip_reader import ClipTask
from avsa.data.decoder_process import Answer, Decode, Release, Share, Source, encode_task
from avsa.data.raw import Buffer
from yt360.errors import BadItem, UserError
from yt360.execution.local import Crashed

# CPU time limit of a clip. Clips take milliseconds.
LIMIT_S = 60.0
# Messages that a process has at a time, and clips of a message at most.
_DEPTH, _MAX_CLIPS = 2, 8
# Processes that may die one after another before they have started.
_MAX_FAILED_STARTS = 3


class DecoderPool:
    """Decoder processes, started on demand. Methods are thread-safe.

    Args:
        reader: ``"module:class"`` of the reader, with the methods of
            `avsa.data.clip_reader.ClipReader`.
        limit_s: CPU time limit of a clip.
    """

    def __init__(
        self, reader: str = "avsa.data.clip_reader:ClipReader", limit_s: float = LIMIT_S
    ) -> None:
        self.reader, self.limit_s = reader, limit_s
        self._reset()
        # A fork of this process shares the connections and must not use them.
        os.register_at_fork(after_in_child=self._reset)
        atexit.register(self.close)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._decoders: list[_Decoder] = []
        self._waiting: deque[_Message] = deque()
        self._selector = selectors.DefaultSelector()
        self._shared: set[int] = set()
        # Appended to by finalizers, which may run in any thread while it has the lock.
        self._released: deque[int] = deque()
        self._failed_starts = 0
        self._thread: threading.Thread | None = None
        self._wake: Connection | None = None

    @property
    def processes(self) -> list[int]:
        """Ids of the processes."""
        with self._lock:
            return [decoder.process.pid for decoder in self._decoders]

    def decode(
        self,
        source: Source,
        tasks: Sequence[ClipTask],
        buffer: Buffer,
        processes: int = 1,
        stop: threading.Event | None = None,
    ) -> list[BadItem | None]:
        """Decode windows of clips into a buffer; wait until all are decoded.

        Args:
            source: Source of the clips.
            tasks: The clips.
            buffer: Memory of the batch.
            processes: Decoder processes to start at most.
            stop: If set while clips wait for a process, they are not decoded.

        Returns:
            None for each clip, or its error: it is damaged; ``"crash"``: the process that decoded
            it died; ``"endless"``: decoding it reached the time limit.

        Raises:
            CancelledError: `stop` was set.
            UserError: No process can be started.
            Exception: A fault of the reader.
        """
        if not tasks:
            return []
        work = _Work(source, [encode_task(task) for task in tasks], buffer, stop)
        with self._lock:
            self._waiting.append(_Message(work, range(len(tasks))))
            self._start_processes(min(processes, self._num_waiting()))
            self._send_waiting()
        work.finished.wait()
        for error in work.errors:
            if error is not None and not isinstance(error, BadItem):
                raise error
        return work.errors  # type: ignore[return-value]

    def close(self) -> None:
        """End the processes; later calls start new ones."""
        with self._lock:
            decoders, self._decoders = self._decoders, []
            thread, self._thread = self._thread, None
            for decoder in decoders:
                self._selector.unregister(decoder.connection)
                decoder.end()
            for message in [*(m for d in decoders for m in (*d.sent, *d.own)), *self._waiting]:
                message.fail(CancelledError("the decoder processes were closed"))
            self._waiting.clear()
            self._notify()
        if thread is not None:
            thread.join()

    # The methods below are called with the lock.

    def _start_processes(self, count: int) -> None:
        try:
            while len(self._decoders) < count:
                self._start_process()
        except UserError as error:
            self._fail_all([], error)

    def _start_process(self) -> _Decoder:
        if self._thread is None:
            self._start_thread()
        decoder = _Decoder(self.reader, self.limit_s)
        self._decoders.append(decoder)
        self._selector.register(decoder.connection, selectors.EVENT_READ, decoder)
        return decoder

    def _start_thread(self) -> None:
        awaited, self._wake = Pipe(duplex=False)
        self._selector.register(awaited, selectors.EVENT_READ)
        self._thread = threading.Thread(
            target=self._serve, args=(awaited,), name="decoders", daemon=True
        )
        self._thread.start()

    def _num_waiting(self) -> int:
        """Return how many clips wait for a process."""
        return sum(len(message.clips) for message in self._waiting)

    def _notify(self) -> None:
        """Wake the thread."""
        if self._wake is not None:
            with suppress(OSError):
                self._wake.send_bytes(b"")

    def _send_waiting(self) -> None:
        """Send messages to all processes, first to those that have fewest."""
        for depth in range(1, _DEPTH + 1):
            for decoder in self._decoders:
                self._supply(decoder, depth)

    def _supply(self, decoder: _Decoder, depth: int = _DEPTH) -> None:
        """Send a process messages, until it has `depth`."""
        if self._released:
            self._send_releases()
        while len(decoder.sent) < depth and (message := self._next_message(decoder)):
            self._send(decoder, message)

    def _next_message(self, decoder: _Decoder) -> _Message | None:
        """Return what a process decodes next: few clips when few wait, so that all have some."""
        size = max(1, min(_MAX_CLIPS, self._num_waiting() // len(self._decoders)))
        for queue in (decoder.own, self._waiting):
            while queue:
                message = queue.popleft()
                if message.work.is_stopped:
                    message.fail(CancelledError("loading was stopped"))
                    continue
                if len(message.clips) > size:
                    queue.appendleft(_Message(message.work, message.clips[size:]))
                    message.clips = message.clips[:size]
                return message
        return None

    def _send(self, decoder: _Decoder, message: _Message) -> None:
        decoder.sent.append(message)
        work = message.work
        memory = work.buffer.memory
        if memory.number not in self._shared:
            self._shared.add(memory.number)
            weakref.finalize(memory, self._release, memory.number).atexit = False
        with suppress(OSError):  # it has died: see `_replace`
            if memory.number not in decoder.shared:
                decoder.shared.add(memory.number)
                decoder.send(("share", memory.number, memory.size, work.buffer.places))
                send_handle(decoder.connection, memory.descriptor, decoder.process.pid)
            clips = [work.tasks[index] for index in message.clips]
            decoder.send(("decode", memory.number, tuple(work.source), clips))

    def _send_releases(self) -> None:
        while self._released:
            number = self._released.popleft()
            self._shared.discard(number)
            for decoder in self._decoders:
                if number in decoder.shared:
                    decoder.shared.discard(number)
                    with suppress(OSError):
                        decoder.send(("release", number))

    # The methods below are called without it.

    def _release(self, number: int) -> None:
        self._released.append(number)
        self._notify()

    def _serve(self, awaited: Connection) -> None:
        """Receive answers and send messages; the main function of the thread."""
        while self._thread is threading.current_thread():
            for key, _ in self._selector.select():
                if key.data is None:
                    awaited.recv_bytes()
                    with self._lock:
                        self._send_releases()
                else:
                    self._receive(key.data)
        self._selector.unregister(awaited)
        awaited.close()

    def _receive(self, decoder: _Decoder) -> None:
        try:
            answer: Answer = pickle.loads(decoder.connection.recv_bytes())
        except (EOFError, OSError):
            self._replace(decoder)
            return
        with self._lock:
            if decoder.is_ready:
                decoder.sent.popleft().finish(answer)
            else:
                decoder.is_ready, self._failed_starts = True, 0
            self._supply(decoder)

    def _replace(self, decoder: _Decoder) -> None:
        """Remove a process that has died, and give others what it had."""
        with self._lock:
            if decoder not in self._decoders:
                return
            self._decoders.remove(decoder)
            self._selector.unregister(decoder.connection)
            exit_code = decoder.wait()
            messages = [*decoder.sent, *decoder.own]
            if decoder.is_ready:
                messages = self._after_crash(messages, exit_code)
            else:
                self._failed_starts += 1
                if self._failed_starts >= _MAX_FAILED_STARTS:
                    self._fail_all(messages, _not_started(_description(exit_code)))
                    messages = []
            again = [message for message in messages if message.is_retry]
            self._waiting.extendleft(reversed([each for each in messages if not each.is_retry]))
            try:
                if again:
                    self._start_process().own.extend(again)
                elif self._waiting:
                    self._start_process()
            except UserError as error:
                self._fail_all(again, error)
            self._send_waiting()

    def _after_crash(self, messages: list[_Message], exit_code: int) -> list[_Message]:
        """Fail the clip that killed a process; return what remains to be decoded.

        Args:
            messages: Those of the process; it was decoding the first.
            exit_code: Exit code of the process.
        """
        if not messages:
            return []
        suspect, *others = messages
        if exit_code == -signal.SIGPROF and len(suspect.clips) == 1:
            limit = f"decoding reached its limit of {self.limit_s:g} s"
            suspect.fail(BadItem("endless", limit))
        elif suspect.is_retry:
            suspect.fail(BadItem("crash", _description(exit_code)))
        else:
            # The clip may not be the cause (memory may have run out), so each clip is tried once
            # more, alone and in a new process: idle ones may have been killed too.
            return [*(suspect.of_one(clip) for clip in suspect.clips), *others]
        return others

    def _fail_all(self, messages: Iterable[_Message], error: Exception) -> None:
        """Fail messages, and what waits if no process is left."""
        for message in messages:
            message.fail(error)
        if not self._decoders:
            while self._waiting:
                self._waiting.popleft().fail(error)


# One pool serves all loaders of a program: training and validation take turns.
DECODERS = DecoderPool()


@dataclass
class _Work:
    """One call of `DecoderPool.decode`."""

    source: Source
    tasks: list[tuple[object, ...]]
    buffer: Buffer
    stop: threading.Event | None
    finished: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.errors: list[Exception | None] = [None] * len(self.tasks)
        self.unfinished = len(self.tasks)

    @property
    def is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()


@dataclass
class _Message:
    """Some of the clips of a call, which one process decodes."""

    work: _Work
    clips: range
    is_retry: bool = False

    def of_one(self, clip: int) -> _Message:
        """Return a message that tries one of the clips again."""
        return _Message(self.work, range(clip, clip + 1), is_retry=True)

    def finish(self, answer: Answer) -> None:
        """Note the errors of the clips, by their numbers in the message."""
        for number, error in answer.items():
            self.work.errors[self.clips[number]] = error
        self.work.unfinished -= len(self.clips)
        if not self.work.unfinished:
            self.work.finished.set()

    def fail(self, error: Exception) -> None:
        """Fail all clips."""
        self.finish(dict.fromkeys(range(len(self.clips)), error))


class _Decoder:
    """This process's end of one decoder process.

    Attributes:
        sent: Messages without an answer yet.
        own: Messages that only this process may decode.
        shared: Numbers of the memories that it maps.
        is_ready: Whether it has started.
    """

    def __init__(self, reader: str, limit_s: float) -> None:
        self.sent: deque[_Message] = deque()
        self.own: deque[_Message] = deque()
        self.shared: set[int] = set()
        self.is_ready = False
        self.connection, theirs = Pipe()
        # Not by `multiprocessing`, which imports the main program, and torch with it.
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from {decoder_process.__name__} import serve; "
            f"serve{(theirs.fileno(), reader, limit_s)!r}"
        )
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,  # the parent handles Ctrl-C
            )
        except OSError as error:
            raise _not_started(str(error)) from None
        finally:
            theirs.close()  # so that the death of the process closes the connection

    def send(self, message: Share | Release | Decode) -> None:
        """Send a message; `Connection.send` takes three times as long."""
        self.connection.send_bytes(pickle.dumps(message))

    def wait(self) -> int:
        """Return the exit code of a process that ends."""
        self.connection.close()
        return self.process.wait()

    def end(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.wait()


def _description(exit_code: int) -> str:
    return Crashed(exit_code, "the decoder").describe()


def _not_started(reason: str) -> UserError:
    return UserError(
        f"a decoder process cannot be started ({reason}); if memory or processes are limited, "
        "lower data.num_threads",
        code="system",
        key="data.num_threads",
    )
