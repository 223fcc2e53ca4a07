"""Writing files so that a name never stands for half a file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

MACHINE_TROUBLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
"""Errors of this machine, met while reading an item: no fault of the item."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Nothing more can be written: no room on the disk, in the quota, or below the limit of a file."""
# Writing raises these without the name of a file: the disk is full, or fails.
_NAMELESS = (*DISK_FULL, errno.EIO)


@contextmanager
def atomic_write(path: Path, mode: str = "wb", *, replace: bool = True) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under `path` only when whole.

    The content goes to a temporary file in the same folder, is fsynced and renamed when the block
    ends; if the block raises, the temporary file is removed and `path` stays as it was. If the
    process is killed, the temporary file stays until `path` is written again. A file that takes the
    place of another one has its permissions from the beginning. A link is replaced, not followed.

    Args:
        path: The final name. Its folder must exist.
        mode: ``"wb"`` or ``"w"`` (UTF-8).
        replace: Whether a file that has the final name when the block ends is replaced. If not, it
            stays, and the new content is dropped.

    Raises:
        OSError: The disk is full or the folder cannot be written; it names `path`, also where the
            library that wrote made another error of it.
    """
    temporary = temporary_name(path)
    try:
        with _open_temporary(path, temporary, mode) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
            # Before it is closed and the lock released: else another process may remove it.
            _give_name(temporary, path, replace)
    except BaseException as error:
        with suppress(OSError):  # it was never made
            temporary.unlink()
        trouble = _trouble_with(temporary, error)
        if trouble is None:
            raise
        raise OSError(trouble.errno, trouble.strerror, str(path)) from error
    sync_folder(path.parent)


def _open_temporary(path: Path, other: Path, mode: str) -> IO[Any]:
    """Open the new file ``.NAME.0.tmp``, locked, in place of one that a killed process left.

    While another process writes a file of that name, the file `other` is opened instead.
    """
    usual, permissions = path.with_name(f".{path.name}.0.tmp"), _permissions(path)
    remove_abandoned(usual)
    with suppress(OSError):
        file = _new_file(usual, mode, permissions)
        if _lock(file.fileno(), usual):
            return file
        file.close()
    while True:
        file = _new_file(other, mode, permissions)
        if _lock(file.fileno(), other):
            return file
        file.close()
        other = temporary_name(path)


def remove_abandoned(path: Path) -> None:
    """Remove a temporary file or a lock file that no process has locked."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_same_file(descriptor, path):
                path.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    """Lock a file that was just made; return False if another process took it for abandoned."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # the file system has no locks: nobody can take it for abandoned
    return is_same_file(descriptor, path)


def is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether an open file still has a name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _give_name(temporary: Path, path: Path, replace: bool) -> None:
    if replace:
        temporary.replace(path)
        return
    with suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()


def _new_file(path: Path, mode: str, permissions: int | None) -> IO[Any]:
    """Make a file that was not there, with given permissions or those that the umask leaves."""

    def opener(name: str, flags: int) -> int:
        if permissions is None:
            return os.open(name, flags, 0o666)
        descriptor = os.open(name, flags, permissions & 0o600)
        with suppress(OSError):  # a file system without permissions
            os.fchmod(descriptor, permissions)
        return descriptor

    encoding = None if "b" in mode else "utf-8"
    return open(path, mode.replace("w", "x"), encoding=encoding, opener=opener)


def _permissions(path: Path) -> int | None:
    """Return the permissions of a regular file, None where there is none."""
    try:
        found = path.lstat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(found) & 0o777 if stat.S_ISREG(found) else None


def private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, whatever the umask; one that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def append_lines(path: Path) -> IO[str]:
    """Open a file for writing at its end; a link is not followed.

    Raises:
        OSError: It cannot be opened, or is a link (ELOOP).
    """
    return open(
        path, "a", encoding="utf-8",
        opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666),
    )  # fmt: skip


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the error of a full or failing disk, which says no name by itself, that of a file."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NAMELESS or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _trouble_with(temporary: Path, error: BaseException | None) -> OSError | None:
    """Return the error of the disk behind an error of what wrote a file, or None."""
    while isinstance(error, Exception):
        if isinstance(error, OSError) and (
            error.filename == str(temporary)
            or (error.filename is None and error.errno in _NAMELESS)
        ):
            return error
        error = error.__context__
    return None


def temporary_name(path: Path) -> Path:
    """Return a new name ``.NAME.TOKEN.tmp`` in the folder of `path`, for a file in the making.

    The token is random: on a folder that several machines or containers write to, process numbers
    repeat.

    Raises:
        IsADirectoryError: The path names no file, such as ``.``.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def write_json(path: Path, value: Any, *, replace: bool = True) -> None:
    """Write `value` as indented JSON with sorted keys; the bytes depend on it alone.

    It is written as `atomic_write` does.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_write(path, "w", replace=replace) as file:
        file.write(text + "\n")


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
