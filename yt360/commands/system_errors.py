"""One line, with advice, for errors of the operating system and of SQLite."""

from __future__ import annotations

import errno
import os
import sqlite3

from yt360.terminal.text import shortened

ADVICE = {
    errno.EACCES: "change its permissions, or name another place",
    errno.EDQUOT: "free some of the quota and run the same command again",
    errno.EFBIG: "raise the limit (`ulimit -f`) and run the same command again",
    errno.EIO: "check the disk",
    errno.EISDIR: "name a file",
    errno.ELOOP: "links are not followed here; name the file itself, or remove the link",
    errno.EMFILE: "raise the limit (`ulimit -n`) or use fewer workers",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENFILE: "close other programs and run the same command again",
    errno.ENOENT: "check the path",
    errno.ENOMEM: "close other programs, or use fewer workers",
    errno.ENOSPC: "free some space and run the same command again",
    errno.ENOTDIR: "name a folder",
    errno.EPERM: "change its permissions, or name another place",
    errno.EROFS: "mount it for writing, or use a copy or another place",
}
"""What to do about an error of the operating system, by its number."""

STORAGE_ADVICE: dict[int, int | str] = {
    sqlite3.SQLITE_BUSY: "wait until the other program ends, or stop it",
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_CONSTRAINT: "get the catalog anew",
    sqlite3.SQLITE_CORRUPT: "go on with a copy of it",
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: "check the disk, and that there is room on it",
    sqlite3.SQLITE_LOCKED: "wait until the other program ends, or stop it",
    sqlite3.SQLITE_NOTADB: "go on with a copy of it",
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_PROTOCOL: "wait until the other program ends, or stop it",
    sqlite3.SQLITE_READONLY: errno.EACCES,
}
"""What to do about errors of SQLite that the disk or another process causes.

A number refers to `ADVICE`. Other errors of SQLite are bugs.
"""


def is_storage_error(error: sqlite3.Error) -> bool:
    """Return whether the disk or another process caused the error."""
    return _primary_code(error) in STORAGE_ADVICE


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def error_line(error: Exception) -> str:
    """Return the message of an error as one line; errors of the system say what to do."""
    text = str(error)
    if isinstance(error, OSError):
        text = _os_error_text(error)
    elif isinstance(error, sqlite3.Error):
        text = _sqlite_error_text(error)
    return shortened(" ".join(text.split())) or type(error).__name__


def _sqlite_error_text(error: sqlite3.Error) -> str:
    """Return what failed; the first note of the error is the name of the file."""
    where = "".join(f"{note}: " for note in getattr(error, "__notes__", [])[:1])
    hint = STORAGE_ADVICE[_primary_code(error)]
    return f"{where}{error}; {ADVICE.get(hint, hint) if isinstance(hint, int) else hint}"


def _os_error_text(error: OSError) -> str:
    """Return what failed, with the names of the files, and what to do."""
    if not error.errno or not error.strerror:
        return str(error)
    names = [each for each in (error.filename, error.filename2) if isinstance(each, str | bytes)]
    where = " to ".join(os.fsdecode(name) for name in names)
    what = str(error.strerror)
    if what == os.strerror(error.errno):  # else the message says what to do already
        hint = ADVICE.get(error.errno)
        what = what[0].lower() + what[1:] + (f"; {hint}" if hint else "")
    return f"{where}: {what}" if where else what
