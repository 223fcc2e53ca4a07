"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import random
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.paths import REPOSITORY
from hypothesis import settings

from yt360.execution.local import WorkerPool

pytest_plugins = ("helpers.small_datasets", "helpers.scene_runs", "helpers.fake_hub")

# Before huggingface_hub is imported, which reads it: the fake hub does not speak the xet protocol.
os.environ["HF_HUB_DISABLE_XET"] = "1"

# A shell starts jobs in the background with Ctrl-C ignored, nohup with the end of the
# terminal ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Files in memory: tests write thousands of small ones, whose syncing to disk would take minutes.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
    _system = os.statvfs(_MEMORY)
    if _system.f_bavail * _system.f_frsize > 8 << 30 and not _system.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# The same examples on every machine, however slow it is.
settings.register_profile("suite", derandomize=True, database=None, deadline=None)
settings.load_profile("suite")


# Without a GPU, each call of `torch.manual_seed` keeps a trace of the stack for a GPU to come.
seed = torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed


@pytest.fixture(autouse=True)
def restored_random_state() -> Iterator[None]:
    """Give every test the same random state and leave none behind."""
    torch_state, numpy_state, python_state = (
        torch.get_rng_state(),
        np.random.get_state(),  # noqa: NPY002 - the legacy state is what must be restored
        random.getstate(),
    )
    seed(0)
    yield
    torch.set_rng_state(torch_state)
    np.random.set_state(numpy_state)  # noqa: NPY002
    random.setstate(python_state)


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Fork the workers of pools off this process: a new interpreter takes a second of CPU time.

    Only where PyTorch has one thread: threads of OpenMP do not survive a fork.
    """
    method = "fork" if torch.get_num_threads() == 1 else "spawn"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerPool, "context", multiprocessing.get_context(method))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_plugins() -> Iterator[None]:
    """Forget the test modules that registered an entry: each new worker would import them again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yt360.plugins._plugins", {})
        yield


@pytest.fixture
def spawned_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the workers of pools as programs do: each is a new interpreter."""
    monkeypatch.setattr(WorkerPool, "context", multiprocessing.get_context("spawn"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real clips: $YT360_REAL_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("YT360_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "real-clips").is_dir():
        pytest.skip("no real clips here: set YT360_REAL_DATA to a folder that has real-clips/")
    return folder


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """Return a context manager in which no file may become longer than so many bytes.

    Writing beyond fails as on a full disk, with another number: EFBIG. As there, memory without a
    name has no limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    truncate = os.ftruncate

    def truncate_unless_memory(descriptor: int, size: int) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if str(Path(f"/dev/fd/{descriptor}").readlink()).startswith("/memfd:"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        try:
            truncate(descriptor, size)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "ftruncate", truncate_unless_memory)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


CRASHES = """
import hashlib, os, signal, sys

def crash():
    os.kill(os.getpid(), signal.SIGSEGV)

def on_event(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        if os.path.basename(arguments[0]).startswith("crash"):
            crash()

def decode_video(mp4):
    if hashlib.sha256(mp4).hexdigest() == os.environ["TEST_CRASHING_BYTES"]:
        crash()
    return decode(mp4)

sys.addaudithook(on_event)
if "TEST_CRASHING_BYTES" in os.environ:
    from yt360.clip_codec import decoder
    decode, decoder.decode_video = decoder.decode_video, decode_video
"""


class Crashing:
    """Makes new Python processes die by SIGSEGV of what a decoder might die of."""

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment

    def at(self, content: bytes) -> None:
        """Make them die when they decode this video of a clip."""
        self._environment.setenv("TEST_CRASHING_BYTES", hashlib.sha256(content).hexdigest())


@pytest.fixture
def crashing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, spawned_workers: None
) -> Crashing:
    """Make Python processes that start from now on die when they open a file ``crash*``."""
    folder = tmp_path_factory.mktemp("crashing")
    (folder / "sitecustomize.py").write_text(CRASHES)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return Crashing(monkeypatch)


Answer = bytes | Callable[[str], Iterable[bytes]]


class RawServer:
    """Sends whatever bytes a test wants, on loopback.

    Args:
        answers: For one request after the other, the last one again and again: bytes, or a function
            from the request to blocks of bytes.

    Attributes:
        url: Its address.
        requests: The beginnings of what it was asked.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers, self.requests = answers, list[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _work(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            request = line.recv(65536).decode(errors="replace")
            self.requests.append(request)
            answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
            for block in answer(request) if callable(answer) else [answer]:
                line.sendall(block)


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Return a function that starts a `RawServer`."""
    servers: list[RawServer] = []

    def start(*answers: Answer) -> RawServer:
        servers.append(RawServer(*answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def pytest_collection_finish() -> None:
    """Collect garbage rarely, and without what was imported: else it takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
