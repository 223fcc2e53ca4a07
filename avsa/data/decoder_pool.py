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
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from avsa.data.decoder_connection import (
    DecoderConnection,
    Message,
    Work,
    describe_exit,
    unusable,
)
from avsa.data.decoder_process import Answer, ClipTask, Source, encode_task
from avsa.data.raw import Buffer
from yt360.errors import BadItem, UserError

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
        self._decoders: list[DecoderConnection] = []
        self._waiting: deque[Message] = deque()
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
            UserError: No process can be started or reached.
            Exception: A fault of the reader.
        """
        if not tasks:
            return []
        work = Work(source, [encode_task(task) for task in tasks], buffer, stop)
        with self._lock:
            self._waiting.append(Message(work, range(len(tasks))))
            self._start_processes(min(processes, self._num_waiting()))
            self._send_waiting()
        work.finished.wait()
        faults = [each for each in work.errors if each and not isinstance(each, BadItem)]
        if not faults:
            return work.errors  # type: ignore[return-value]
        del work  # else the error refers to the memory of the batch
        raise faults.pop()

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

    def _start_process(self) -> DecoderConnection:
        try:
            if self._thread is None:
                self._start_thread()
            decoder = DecoderConnection(self.reader, self.limit_s)
            self._selector.register(decoder.connection, selectors.EVENT_READ, decoder)
        except (OSError, RuntimeError) as error:  # no more descriptors, processes or threads
            raise unusable(str(error)) from None
        self._decoders.append(decoder)
        return decoder

    def _start_thread(self) -> None:
        self._selector = selectors.DefaultSelector()
        awaited, self._wake = Pipe(duplex=False)
        self._selector.register(awaited, selectors.EVENT_READ)
        thread = threading.Thread(
            target=self._serve, args=(self._selector, awaited), name="decoders", daemon=True
        )
        thread.start()
        self._thread = thread

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

    def _supply(self, decoder: DecoderConnection, depth: int = _DEPTH) -> None:
        """Send a process messages, until it has `depth`."""
        if self._released:
            self._send_releases()
        while len(decoder.sent) < depth and (message := self._next_message(decoder)):
            self._send(decoder, message)

    def _next_message(self, decoder: DecoderConnection) -> Message | None:
        """Return what a process decodes next: few clips when few wait, so that all have some."""
        size = max(1, min(_MAX_CLIPS, self._num_waiting() // len(self._decoders)))
        for queue in (decoder.own, self._waiting):
            while queue:
                message = queue.popleft()
                if message.work.is_stopped:
                    message.fail(CancelledError("loading was stopped"))
                    continue
                if len(message.clips) > size:
                    queue.appendleft(Message(message.work, message.clips[size:]))
                    message.clips = message.clips[:size]
                return message
        return None

    def _send(self, decoder: DecoderConnection, message: Message) -> None:
        memory = message.work.buffer.memory
        if memory.number not in self._shared:
            self._shared.add(memory.number)
            weakref.finalize(memory, self._release, memory.number).atexit = False
        try:
            decoder.send(message)
        except ConnectionError:
            pass  # it has died: see `_replace`
        except OSError as error:  # such as no more descriptors; what was sent is incomplete
            decoder.sent.pop().fail(unusable(str(error)))
            decoder.process.kill()

    def _send_releases(self) -> None:
        while self._released:
            number = self._released.popleft()
            self._shared.discard(number)
            for decoder in self._decoders:
                with suppress(OSError):
                    decoder.release(number)

    # The methods below are called without it.

    def _release(self, number: int) -> None:
        self._released.append(number)
        self._notify()

    def _serve(self, selector: selectors.BaseSelector, awaited: Connection) -> None:
        """Receive answers and send messages; the main function of the thread."""
        is_current = True
        with selector, awaited:
            while is_current:
                for key, _ in selector.select():
                    if key.data is None:
                        awaited.recv_bytes()
                    else:
                        self._receive(key.data)
                with self._lock:
                    is_current = self._thread is threading.current_thread()
                    self._send_releases()

    def _receive(self, decoder: DecoderConnection) -> None:
        try:
            answer: Answer = pickle.loads(decoder.connection.recv_bytes())
        except (EOFError, OSError):
            self._replace(decoder)
            return
        with self._lock:
            if decoder not in self._decoders:
                return  # it was closed
            if decoder.is_ready:
                decoder.sent.popleft().finish(answer)
            else:
                decoder.is_ready, self._failed_starts = True, 0
            self._supply(decoder)

    def _replace(self, decoder: DecoderConnection) -> None:
        """Remove a process that has died, and give others what it had."""
        with self._lock:
            if decoder not in self._decoders:
                return
            self._decoders.remove(decoder)
            self._selector.unregister(decoder.connection)
            exit_code = decoder.wait()
            if decoder.is_ready:
                messages = decoder.after_crash(exit_code)
            else:
                messages = [*decoder.sent, *decoder.own]
                self._failed_starts += 1
                if self._failed_starts >= _MAX_FAILED_STARTS:
                    self._fail_all(messages, unusable(describe_exit(exit_code)))
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

    def _fail_all(self, messages: Iterable[Message], error: Exception) -> None:
        """Fail messages, and what waits if no process is left."""
        for message in messages:
            message.fail(error)
        if not self._decoders:
            while self._waiting:
                self._waiting.popleft().fail(error)


# One pool serves all loaders of a program: training and validation take turns.
DECODERS = DecoderPool()
