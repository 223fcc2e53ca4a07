"""Copies of remote files in a folder of limited size, which processes share.

A copy that is being read is locked, so that no process removes it. A copy that is being fetched is
a temporary file of its full size, which the process that fetches it has locked
(`yt360.files.atomic_write`): it counts like a copy, no other process fetches it, and if its process
is killed, the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from yt360.files import atomic_write, is_same_file, remove_abandoned
from yt360.locks import exclusive_lock

_LOCK_FILE = ".room.lock"


class TakenError(Exception):
    """A copy is present, or another process fetches it."""


class NoRoomError(Exception):
    """Removing every copy that may be removed would not make enough room."""


@dataclass(frozen=True)
class Present:
    """A copy on the disk.

    Attributes:
        bytes: Its size.
        last_read_ns: When it was last read, or fetched, in nanoseconds since 1970.
    """

    bytes: int
    last_read_ns: int


@dataclass(frozen=True)
class CopyFolder:
    """A folder of copies. They are named by their paths in it, such as ``train/clips-0.tar``.

    Attributes:
        root: The folder.
        levels: Number of folders above each copy, inside `root`.
        suffix: Suffix of the names of copies; other files are left alone.
    """

    root: Path
    levels: int
    suffix: str = ""

    def present(self) -> dict[str, Present]:
        """Return the copies that can be read.

        Raises:
            OSError: A folder cannot be read.
        """
        return self._scan(is_fetched=False)

    @contextmanager
    def reserved(
        self,
        name: str,
        size_bytes: int,
        limit_bytes: float,
        evictable: Iterable[str],
        may_exceed: bool = False,
    ) -> Iterator[IO[bytes]]:
        """Yield the file of a copy that is to be fetched; it is present when the block has ended.

        Processes make room one after another, and fetch at the same time.

        Args:
            name: Name of the copy. Its folder must exist.
            size_bytes: Size of the copy.
            limit_bytes: Maximum total size of all copies.
            evictable: Copies that may be removed when nobody reads them, in this order. As few as
                are needed are removed, and none where all would be too few.
            may_exceed: Remove what can be removed, and go on if that is too little.

        Raises:
            TakenError: The copy is present, or another process fetches it.
            NoRoomError: There is no room for it.
            OSError: The folder cannot be read or written.
        """
        with ExitStack() as stack:
            with exclusive_lock(self.root / _LOCK_FILE, wait=True):
                # In this order: a copy that arrives in between is in both.
                found = self._fetched()
                found |= (present := self.present())
                if name in found:
                    raise TakenError(name)
                excess = sum(each.bytes for each in found.values()) + size_bytes - limit_bytes
                self._remove((other for other in evictable if other in present), excess, may_exceed)
                file = stack.enter_context(atomic_write(self.root / name))
                file.truncate(size_bytes)
            yield file

    def _remove(self, names: Iterable[str], excess: float, may_exceed: bool) -> None:
        with ExitStack() as locks:
            removed = []
            for path in (self.root / name for name in names):
                if excess <= 0:
                    break
                descriptor = _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if descriptor is not None:
                    locks.callback(os.close, descriptor)
                    removed.append(path)
                    excess -= os.fstat(descriptor).st_size
            if excess > 0 and not may_exceed:
                raise NoRoomError
            for path in removed:
                path.unlink(missing_ok=True)

    def _fetched(self) -> dict[str, Present]:
        """Return the copies that processes fetch; remove those of killed processes."""
        return self._scan(is_fetched=True)

    def _scan(self, is_fetched: bool) -> dict[str, Present]:
        folders = [self.root]
        for _ in range(self.levels):
            folders = [Path(each) for folder in folders for each in _folders_in(folder)]
        found = {}
        for folder in folders:
            place = folder.relative_to(self.root).as_posix()
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    name = _name_of_temporary(entry.name) if is_fetched else entry.name
                    if not name or name.startswith(".") or not name.endswith(self.suffix):
                        continue
                    if is_fetched:
                        remove_abandoned(Path(entry.path))
                    with suppress(FileNotFoundError):  # another process has just moved it
                        status = entry.stat(follow_symlinks=False)
                        found[f"{place}/{name}"] = Present(status.st_size, status.st_atime_ns)
        return found


def lock_for_reading(path: Path) -> int | None:
    """Lock a copy, so that no process removes it; None if it is not present.

    Returns:
        A descriptor; `release` ends the lock.
    """
    return _locked(path, fcntl.LOCK_SH)


def release(descriptor: int) -> None:
    """End a lock of `lock_for_reading`; the copy counts as read now."""
    try:
        # The time of its last change stays, by which caches know a file.
        os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))
    finally:
        os.close(descriptor)


def remove_copy(path: Path) -> None:
    """Remove a copy, if it is present, when nobody reads it any more."""
    descriptor = _locked(path, fcntl.LOCK_EX)
    if descriptor is not None:
        try:
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _locked(path: Path, kind: int) -> int | None:
    """Open and lock a file; None if it does not exist, or if the lock would have to wait."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, kind)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if is_same_file(descriptor, path):
            return descriptor
        os.close(descriptor)  # it was removed in between


def _folders_in(folder: Path) -> list[str]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [each.path for each in entries if each.is_dir() and not each.name.startswith(".")]
    return []


def _name_of_temporary(name: str) -> str | None:
    """Return the name of the file that a temporary file (`atomic_write`) will become, or None."""
    if not (name.startswith(".") and name.endswith(".tmp")):
        return None
    return name[1:].removesuffix(".tmp").rpartition(".")[0]
