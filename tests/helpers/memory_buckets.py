"""Buckets in memory, and file systems that die."""

from __future__ import annotations

from typing import Any

from fsspec.implementations.memory import MemoryFileSystem

from yt360.buckets.bucket import Bucket
from yt360.retry import RetryPolicy

NO_DELAY = RetryPolicy(3, 0.0)


class Memory(MemoryFileSystem):
    """A file system in memory that shares nothing with others of its kind."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]


class Died(BaseException):
    """The process was killed."""


class Dying:
    """A file system whose process is killed at a write, before or after it is carried out.

    Nothing works afterwards, so that no code that runs while the error passes can clean up.

    Args:
        filesystem: Carries everything out.
        writes: Writes that succeed.
        after: Whether the next one is carried out.
    """

    def __init__(self, filesystem: Any, writes: int, after: bool) -> None:
        self.filesystem, self.writes, self.after = filesystem, writes, after

    def __getattr__(self, name: str) -> Any:
        if self.writes < 0:
            raise Died
        return getattr(self.filesystem, name)

    def pipe_file(self, *arguments: Any, **options: Any) -> None:
        self._write(lambda: self.filesystem.pipe_file(*arguments, **options))

    def rm_file(self, path: str) -> None:
        self._write(lambda: self.filesystem.rm_file(path))

    def _write(self, operation: Any) -> None:
        if self.writes < 0:
            raise Died
        self.writes -= 1
        if self.writes >= 0:
            operation()
            return
        if self.after:
            operation()
        raise Died


def memory_bucket(url: str, filesystem: Any) -> Bucket:
    """Return the objects under a ``memory://`` URL."""
    return Bucket(url, filesystem, NO_DELAY)


def contents(filesystem: Any, url: str) -> dict[str, bytes]:
    """Return the content of every object under a URL by its name."""
    root = filesystem._strip_protocol(url)
    return {path[len(root) + 1 :]: filesystem.cat_file(path) for path in filesystem.find(root)}
