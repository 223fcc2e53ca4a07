"""The connection to one decoder process, and what is sent over it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle

from avsa.data import decoder_process
from avsa.data.decoder_process import Answer, Decode, Release, Share, Source
from avsa.data.raw import Buffer
from yt360.errors import BadItem, UserError
from yt360.execution.local import Crashed

# Settings of glibc, which other systems ignore: huge pages for the memory of decoders; and planes,
# which a decoder does not read again, are written past its caches.
_TUNABLES = "glibc.malloc.hugetlb=1:glibc.cpu.x86_non_temporal_threshold=0x8000"


@dataclass
class Work:
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
        """Whether nothing more of it is to be decoded."""
        return self.stop is not None and self.stop.is_set()


@dataclass
class Message:
    """Some of the clips of a call, which one process decodes."""

    work: Work
    clips: range
    is_retry: bool = False

    def of_one(self, clip: int) -> Message:
        """Return a message that tries one of the clips again."""
        return Message(self.work, range(clip, clip + 1), is_retry=True)

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


class DecoderConnection:
    """This process's end of one decoder process.

    Raises:
        OSError: The process cannot be started.

    Attributes:
        sent: Messages without an answer yet.
        own: Messages that only this process may decode.
        shared: Numbers of the memories that it maps.
        is_ready: Whether it has started.
    """

    def __init__(self, reader: str, limit_s: float) -> None:
        self.sent: deque[Message] = deque()
        self.own: deque[Message] = deque()
        self.shared: set[int] = set()
        self.is_ready = False
        self.limit_s = limit_s
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
                env=decoder_environment(os.environ),
                process_group=0,  # the parent handles Ctrl-C
            )
        finally:
            theirs.close()  # so that the death of the process closes the connection

    def send(self, message: Message) -> None:
        """Send a message, and the memory that it fills if the process does not map it yet.

        Raises:
            ConnectionError: The process has died.
            OSError: Its memory cannot be sent.
        """
        self.sent.append(message)
        work, memory = message.work, message.work.buffer.memory
        if memory.number not in self.shared:
            self.shared.add(memory.number)
            self._send(("share", memory.number, memory.size, work.buffer.places))
            send_handle(self.connection, memory.descriptor, self.process.pid)
        clips = [work.tasks[index] for index in message.clips]
        self._send(("decode", memory.number, tuple(work.source), clips))

    def release(self, number: int) -> None:
        """Let the process unmap a memory.

        Raises:
            OSError: The process has died.
        """
        if number in self.shared:
            self.shared.discard(number)
            self._send(("release", number))

    def _send(self, message: Share | Release | Decode) -> None:
        """Send a message; `Connection.send` takes three times as long."""
        self.connection.send_bytes(pickle.dumps(message))

    def wait(self) -> int:
        """Return the exit code of a process that ends."""
        self.connection.close()
        return self.process.wait()

    def end(self) -> None:
        """End the process at once; another thread may be reading from the connection."""
        self.process.kill()
        self.process.wait()

    def after_crash(self, exit_code: int) -> list[Message]:
        """Fail the clip that killed the process; return the messages that remain.

        Args:
            exit_code: Exit code of the process.
        """
        messages = [*self.sent, *self.own]
        if not messages:
            return []
        suspect, *others = messages
        if exit_code == -signal.SIGPROF and len(suspect.clips) == 1:
            limit = f"decoding reached its limit of {self.limit_s:g} s"
            suspect.fail(BadItem("endless", limit))
        elif suspect.is_retry:
            suspect.fail(BadItem("crash", describe_exit(exit_code)))
        else:
            # The clip may not be the cause (memory may have run out), so each clip is tried once
            # more, alone and in a new process: idle ones may have been killed too.
            return [*(suspect.of_one(clip) for clip in suspect.clips), *others]
        return others


def decoder_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a decoder process; settings of glibc that are given come last."""
    tunables = ":".join(filter(None, [_TUNABLES, given.get("GLIBC_TUNABLES")]))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**given, **threads, "GLIBC_TUNABLES": tunables}


def describe_exit(exit_code: int) -> str:
    """Return what happened to a process that ended while it decoded a clip."""
    return Crashed(exit_code, "the decoder").describe()


def unusable(reason: str) -> UserError:
    """Return the error of processes that cannot be started or reached."""
    return UserError(
        f"decoder processes cannot be used ({reason}); if memory, processes or open files are "
        "limited (`ulimit -a`), lower data.num_workers",
        code="system",
        key="data.num_workers",
    )
