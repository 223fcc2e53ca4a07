"""A process that has imported what workers need, and forks them.

A forked worker shares imported modules with the process that it comes from. A new interpreter would
import them again, which takes longer than the work on a short file.

A child must not inherit locks that other threads hold, nor open files. Therefore a command forks
the server before it starts threads or opens files, and the server starts no threads: `fork_server`
returns none if this process has threads. Linux only.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from yt360.execution.collection import uncollected_imports
from yt360.execution.parent import FROM_TERMINAL, exit_with_parent, terminal_blocked
from yt360.terminal.output import flush_output

_MAX_MESSAGE = 1 << 16
_THREADS = Path("/proc/self/task")


def fork_server(work: Callable[..., None], modules: Sequence[str] = ()) -> ForkServer | None:
    """Return a new `ForkServer`; None if a process that is forked here may not work.

    Args:
        work: See `ForkServer`.
        modules: See `ForkServer`.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return None
    server = ForkServer(work, modules)
    # OpenBLAS ends its threads before a fork. Others would still be there.
    if len(list(_THREADS.iterdir())) > 1:
        server.close()
        return None
    return server


class ForkServer:
    """Forks worker processes until it is closed; it and its workers end with this process.

    Args:
        work: Called in each worker with the connection, the process ID of the server, and the
            arguments of `start`; it ends when it returns.
        modules: Modules that the server imports before it forks the first worker.
    """

    def __init__(self, work: Callable[..., None], modules: Sequence[str] = ()) -> None:
        flush_output()  # or both processes would write what is left
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        parent = os.getpid()
        with terminal_blocked():
            self._pid = os.fork()
            if self._pid == 0:
                self._socket.close()
                _run(_serve, other, parent, work, modules)
        other.close()

    def start(self, connection: Connection, *arguments: Any) -> ForkedProcess:
        """Fork a worker with one end of a connection.

        Raises:
            OSError: The server has ended.
        """
        request = pickle.dumps(arguments)
        with self._lock:
            socket.send_fds(self._socket, [request], [connection.fileno()])
            return ForkedProcess(self, int(self._answer()))

    def wait(self, pid: int) -> int:
        """Wait for the end of a worker; return its exit code, negative for a signal."""
        with self._lock:
            try:
                self._socket.send(pickle.dumps(pid))
                return int(self._answer())
            except OSError:  # the kernel ends the workers of a server that ended
                return -signal.SIGKILL

    def close(self) -> None:
        """End the server, after its workers."""
        self._socket.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _answer(self) -> bytes:
        answer = self._socket.recv(_MAX_MESSAGE)
        if not answer:
            raise BrokenPipeError("the process that forks workers has ended")
        return answer


class ForkedProcess:
    """A worker of a `ForkServer`, with the part of `multiprocessing.Process` that a pool needs.

    Attributes:
        exitcode: Exit code after `join`, negative for a signal; None before.
    """

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server, self.pid = server, pid
        self.exitcode: int | None = None

    def kill(self) -> None:
        """Kill the process."""
        if self.exitcode is None:  # until it is waited for, no other process gets its number
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait for the end of the process."""
        if self.exitcode is None:
            self.exitcode = self._server.wait(self.pid)


def _serve(
    requests: socket.socket, parent: int, work: Callable[..., None], modules: Sequence[str]
) -> None:
    """Fork workers, and wait for them, as the other end of the socket asks, until it is closed."""
    exit_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    has_imported = False
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _MAX_MESSAGE, 1)
        if not request:
            return
        content = pickle.loads(request)
        if not descriptors:
            _, status = os.waitpid(content, 0)
            requests.send(b"%d" % os.waitstatus_to_exitcode(status))
            continue
        if not has_imported:
            with uncollected_imports():  # a collection in a worker would copy the pages of modules
                for module in modules:
                    import_module(module)
            has_imported = True
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            requests.close()
            _run(work, Connection(descriptors[0]), server, *content)
        os.close(descriptors[0])
        requests.send(b"%d" % pid)


def _run(function: Callable[..., None], *arguments: Any) -> NoReturn:
    """Call a function in a forked process, and end the process without the parent's cleanup."""
    code = 1
    try:
        function(*arguments)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        flush_output()
        os._exit(code)
