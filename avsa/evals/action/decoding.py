"""Processes that read clip windows, so that a decoder crash fails one video and not the run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType

from avsa.evals.action.lists import ActionVideo
from avsa.evals.action.windows import ClipShape, Times, Windows, read_windows
from yt360.execution.isolation import IsolatedProcess


class VideoDecoders:
    """Decoder processes, each of which serves one thread at a time; they start when needed.

    Use it as a context manager.

    Args:
        count: Number of processes.
        make_process: Makes a process.
    """

    def __init__(
        self, count: int, make_process: Callable[[], IsolatedProcess] = IsolatedProcess
    ) -> None:
        self.count = count
        self._opened = ExitStack()
        self._idle: SimpleQueue[IsolatedProcess] = SimpleQueue()
        for _ in range(count):
            self._idle.put(self._opened.enter_context(make_process()))

    def __enter__(self) -> VideoDecoders:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def read(
        self,
        video: ActionVideo,
        shape: ClipShape,
        starts_of: Callable[[float], Times],
        centre: bool = False,
    ) -> Windows:
        """Return clip windows of a video: `read_windows`, called in a process. Thread-safe.

        Raises:
            BadItem: The video cannot be read; ``"crash"``, ``"timeout"``, ``"memory"``: see
                `IsolatedProcess.call`.
        """
        process = self._idle.get()
        try:
            return process.call(video.name, read_windows, video.path, shape, starts_of, centre)
        finally:
            self._idle.put(process)
