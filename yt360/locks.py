"""Exclusive locks between processes: a file that one process holds at a time.

The kernel releases the lock when the process that holds it ends. The holder may
delete the file or rename its folder; another process that locked the deleted file notices and
locks the file that took its place.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yt360.errors import UserError
from yt360.files import attach_file_name, is_same_file


class Locked(UserError):
    """Another process holds the lock."""


@contextmanager
def exclusive_lock(path: Path, what: Path | str = "", wait: bool = False) -> Iterator[None]:
    """Hold the lock on a file; the file and its folder are created if they do not exist.

    Args:
        path: The file. While the lock is held, it names the process that holds it.
        what: What the lock protects, for the error message; by default the file's folder.
        wait: Wait until no other process holds the lock.

    Raises:
        Locked: Another process holds the lock, and `wait` is false.
        UserError: `path` is not a regular file.
        OSError: The file cannot be created, or is a link (ELOOP), which is not followed.
    """
    descriptor = acquire(path, what, wait)
    try:
        with attach_file_name(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def acquire(path: Path, what: Path | str = "", wait: bool = False) -> int:
    """Lock a file as `exclusive_lock` does; closing the returned descriptor releases the lock."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # The umask decides who else may lock it, such as a group that shares the folder.
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666
            )
        except FileNotFoundError:
            continue  # the holder removed the folder in between
        held = False
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UserError(f"{path} is not a regular file; remove it")
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = is_same_file(descriptor, path)
            if held:
                return descriptor
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            raise Locked(
                f"{what or path.parent} is in use by {holder}; wait until it ends, or stop it"
            ) from None
        finally:
            if not held:
                os.close(descriptor)
