"""Write files atomically and durably."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from yt360.errors import UserError

MACHINE_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
"""Errors of this machine, which say nothing about the item that is read."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk, an exhausted quota or a file size limit."""
# Writing raises these without a file name.
_ERRORS_WITHOUT_NAME = (*DISK_FULL, errno.EIO)


@contextmanager
def atomic_write(path: Path, mode: str = "wb", *, replace: bool = True) -> Iterator[IO[Any]]:
    """Open a file for writing that appears at `path` only when it is complete.

    The content is written to a temporary file in the same folder, which is fsynced and renamed when
    the block ends. If the block raises, the temporary file is removed and `path` is unchanged. If
    the process is killed, the temporary file remains until `path` is written again. A replaced
    file passes its permissions on. A link is replaced, not followed.

    Args:
        path: The final name. Its folder must exist.
        mode: ``"wb"`` or ``"w"`` (UTF-8).
        replace: Whether to replace a file that exists when the block ends. If false, that file is
            kept and the new content is discarded.

    Raises:
        OSError: The disk is full or the folder cannot be written. It names `path`, even if the
            library that wrote the file raised another exception.
    """
    temporary = temporary_name(path)
    try:
        with _open_temporary(path, temporary, mode) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
            # While the lock is held, or another process may remove the file.
            _publish(temporary, path, replace)
    except BaseException as error:
        with suppress(OSError):  # it was not created
            temporary.unlink()
        disk_error = _find_disk_error(temporary, error)
        if disk_error is None:
            raise
        raise OSError(disk_error.errno, disk_error.strerror, str(path)) from error
    sync_folder(path.parent)


def _open_temporary(path: Path, other: Path, mode: str) -> IO[Any]:
    """Create and lock the file ``.NAME.0.tmp``; replace one that a killed process left.

    If another process is writing that file, create `other` instead.
    """
    default, permissions = path.with_name(f".{path.name}.0.tmp"), _permissions(path)
    remove_abandoned(default)
    with suppress(OSError):
        file = _new_file(default, mode, permissions)
        if _lock(file.fileno(), default):
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
    """Lock a new file; return False if another process has removed it as abandoned."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # the file system has no locks, so no process removes the file
    return is_same_file(descriptor, path)


def is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the file at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _publish(temporary: Path, path: Path, replace: bool) -> None:
    if replace:
        temporary.replace(path)
        return
    with suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()


def _new_file(path: Path, mode: str, permissions: int | None) -> IO[Any]:
    """Create a file, with given permissions or those that the umask allows."""

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
    """Return the permissions of a regular file; None if there is no such file."""
    try:
        found = path.lstat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(found) & 0o777 if stat.S_ISREG(found) else None


def private_folder(path: Path) -> None:
    """Create a folder that only its owner can enter; an existing folder is not changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def check_page_path(path: Path, suffixes: Sequence[str] = (".html", ".htm")) -> None:
    """Refuse a path at which no page can be written, before the work that it shows.

    Args:
        path: The file.
        suffixes: Suffixes of its name that are allowed, the usual one first.

    Raises:
        UserError: It is a folder, its name has another suffix, or its folder does not exist or
            cannot be written.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it, such as report.html", "invalid")
    if path.suffix.lower() not in suffixes:
        raise UserError(
            f"{path} is not a name for the report; name it {path.stem}{suffixes[0]} (allowed: "
            f"{', '.join(suffixes)})",
            "invalid",
            path,
        )
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}; create it", "missing", path)
    if not os.access(path.parent, os.W_OK):
        raise UserError(
            f"{path.parent} cannot be written; name a file in another folder", "system", path
        )


def append_lines(path: Path) -> IO[str]:
    """Open a file for appending; a link is not followed.

    Raises:
        OSError: It cannot be opened, or is a link (ELOOP).
    """
    return open(
        path, "a", encoding="utf-8",
        opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666),
    )  # fmt: skip


@contextmanager
def attach_file_name(path: Path) -> Iterator[None]:
    """Add the name of a file to errors of a full or failing disk, which have none."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ERRORS_WITHOUT_NAME or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _find_disk_error(temporary: Path, error: BaseException | None) -> OSError | None:
    """Return the disk error in the context chain of an exception, or None."""
    while isinstance(error, Exception):
        if isinstance(error, OSError) and (
            error.filename == str(temporary)
            or (error.filename is None and error.errno in _ERRORS_WITHOUT_NAME)
        ):
            return error
        error = error.__context__
    return None


def temporary_name(path: Path) -> Path:
    """Return a new temporary name ``.NAME.TOKEN.tmp`` in the folder of `path`.

    The token is random, because process ids repeat between machines that share a folder.

    Raises:
        IsADirectoryError: The path has no file name, such as ``.``.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def write_json(path: Path, value: Any, *, replace: bool = True) -> None:
    """Write `value` atomically as indented JSON with sorted keys (see `atomic_write`)."""
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


def resolved(path: Path) -> Path:
    """Return an absolute path without links, also of a loop of links, which stays one.

    `Path.resolve` raises RuntimeError for a loop before Python 3.13.
    """
    return Path(os.path.realpath(path))


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
