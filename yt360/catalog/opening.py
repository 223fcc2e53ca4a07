"""The one place that opens an SQLite file, whoever made it.

A database brings code along: views and triggers run when a table is read or written, a rollback
journal names files that SQLite deletes, and the files beside it are written through links. So the
files are looked at first, the connection is told to trust nothing, and the schema is compared with
ours (`yt360.catalog.schema.check_schema`) before a statement touches a table.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yt360.catalog.database import Connection
from yt360.errors import UserError
from yt360.untrusted.files import open_regular

BUSY_TIMEOUT_S = 60.0
MAX_VALUE_BYTES = 16 << 20
"""Limit of one value and of one row; the clip starts of a video that lasts for years fit."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 5,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_SETTINGS = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0")
_SUPER_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_STEPS_PER_LOOK = 100_000
_SCHEMA_DEADLINE_S = 20.0


def connect(path: Path, read_only: bool = False) -> Connection:
    """Return a connection to an SQLite file that trusts nothing in it; nothing is read yet.

    Ctrl-C ends any statement of the main thread, however long it takes.

    Args:
        path: The file; unless `read_only`, it is made when missing, for its owner alone. SQLite
            gives the files that it keeps beside it the same permissions.
        read_only: Whether nothing may be changed.

    Raises:
        UserError: The file, or one that SQLite keeps beside it, is no regular file; its rollback
            journal names other files; or it cannot be opened.
    """
    real = Path(os.path.realpath(path))
    _check_files(path, real)
    uri = f"{real.as_uri()}?mode={'ro' if read_only else 'rwc'}"
    try:
        if not read_only:
            _make_private(real)
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, factory=Connection
        )
    except (sqlite3.OperationalError, OSError) as error:
        raise UserError(f"cannot open {path}: {error}") from error
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    if hasattr(connection, "setconfig"):  # from Python 3.12
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # type: ignore[attr-defined]
    # Text that is no UTF-8 is shown with replacement characters, as a file name would be.
    connection.text_factory = _decode
    connection.row_factory = sqlite3.Row
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    # A call into Python is where a signal takes effect.
    connection.set_progress_handler(lambda: 0, _STEPS_PER_LOOK)
    return connection


@contextmanager
def limited_time(connection: Connection, seconds: float = _SCHEMA_DEADLINE_S) -> Iterator[None]:
    """Interrupt a statement of the block that runs after so many seconds."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_PER_LOOK // 100)
    try:
        yield
    finally:
        connection.set_progress_handler(lambda: 0, _STEPS_PER_LOOK)


def _make_private(path: Path) -> None:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _decode(content: bytes) -> str:
    return content.decode(errors="replace")


def _check_files(path: Path, real: Path) -> None:
    """Raise UserError unless SQLite can open the files without touching any other one."""
    _check_regular(path, real)
    for suffix in ("-wal", "-shm", "-journal"):
        _check_regular(path, real.with_name(real.name + suffix))
    try:
        with open_regular(real.with_name(f"{real.name}-journal")) as journal:
            size = journal.seek(0, os.SEEK_END)
            journal.seek(max(0, size - len(_SUPER_JOURNAL_MAGIC)))
            names_files = journal.read() == _SUPER_JOURNAL_MAGIC
    except FileNotFoundError:
        return
    except (ValueError, OSError) as error:
        raise UserError(f"cannot open {path}: {error}") from error
    if names_files:
        raise UserError(
            f"{path}-journal names other files, which SQLite would delete; yt360 makes no such "
            "journal: remove it if you do not know it"
        )


def _check_regular(path: Path, file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror}") from error
    if stat.S_ISDIR(mode) and path.resolve() == file:
        raise UserError(f"{path} is a folder; a catalog is one file")
    if not stat.S_ISREG(mode):
        raise UserError(f"cannot open {path}: {file} is not a regular file")
