"""Open an SQLite file, which may come from an untrusted source.

A database contains code: views and triggers run when a table is read or written, a rollback journal
names files that SQLite deletes, and SQLite writes to the files beside the database through links.
So the files are checked first, the connection trusts nothing in them, and the schema is compared
with `yt360.catalog.schema` before any statement uses a table.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from yt360.catalog.database import Connection
from yt360.catalog.schema import APPLICATION_ID, ForeignSchema, check_schema, migrate
from yt360.errors import UserError
from yt360.files import resolved
from yt360.untrusted.files import open_regular

BUSY_TIMEOUT_S = 60.0
MAX_VALUE_BYTES = 16 << 20
"""Limit of one value and of one row."""
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
_STEPS_PER_CALLBACK = 100_000
_SCHEMA_DEADLINE_S = 20.0
_MAX_CHECKED_BYTES = 1 << 20  # takes 10 to 20 ms
_checked: set[tuple[int, int, int]] = set()
"""Device, inode and modification time of the catalogs whose pages this process has checked."""


def open_catalog(path: Path, create: bool = False) -> Connection:
    """Return a connection to a catalog of the newest schema version.

    Args:
        path: The file.
        create: Create the catalog when the file is missing or empty.

    Raises:
        UserError: See `yt360.catalog.catalog.Catalog`.
    """
    if not path.exists() and not create:
        message = (
            f"no catalog at {path}; make one with `yt360 import` or `yt360 search --out {path}`"
        )
        raise UserError(message, "missing", path)
    if not path.parent.is_dir():
        message = f"no folder {path.parent} to make the catalog {path.name} in"
        raise UserError(message, "missing", path.parent)
    connection = connect(path)
    try:
        with limited_time(connection):
            _check_content(connection, path, create)
            _check_pages(connection, path)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
            raise UserError(f"cannot open {path}: {error}{advice}", "system", path) from error
        if isinstance(error, ForeignSchema):
            raise UserError(f"cannot open {path}: {error}", "forbidden", path) from error
        if isinstance(error, sqlite3.DatabaseError):
            raise UserError(f"{path} is not a catalog: {error}", "invalid", path) from error
        raise
    return connection


_ADVICE = {
    sqlite3.SQLITE_CANTOPEN: "; change its permissions, or name another place",
    sqlite3.SQLITE_FULL: "; free some space and run the same command again",
}
"""What to do when SQLite cannot open a catalog, by its error code."""
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 72
"""Bytes of an SQLite file up to the end of its application id."""


def is_catalog(path: Path) -> bool:
    """Return whether a path is a catalog, without changing anything.

    SQLite, which leaves files beside a catalog that it only reads, is asked about a database whose
    first page does not tell: that of a new catalog may still be in the write-ahead log.
    """
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return False
    if header and not header.startswith(_MAGIC):
        return False
    if header[_HEADER_BYTES - 4 :] == APPLICATION_ID.to_bytes(4, "big"):
        return True
    try:
        with closing(connect(path, read_only=True)) as connection, limited_time(connection):
            found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    except (sqlite3.DatabaseError, UserError):
        return False
    return found == APPLICATION_ID


def connect(path: Path, read_only: bool = False) -> Connection:
    """Return a connection to an SQLite file that trusts nothing in it; it reads nothing yet.

    Ctrl-C interrupts any statement of the main thread, however long it takes.

    Args:
        path: The file. Unless `read_only`, it is created when missing, with access for its owner
            alone; SQLite gives the files that it keeps beside it the same permissions.
        read_only: Whether nothing may be changed.

    Raises:
        UserError: The file, or one that SQLite keeps beside it, is not a regular file; its rollback
            journal names other files; or it cannot be opened.
    """
    real = Path(os.path.realpath(path))
    _check_files(path, real)
    uri = f"{real.as_uri()}?mode={'ro' if read_only else 'rwc'}"
    try:
        if not read_only:
            with suppress(FileExistsError):
                os.close(os.open(real, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, factory=Connection
        )
    except (sqlite3.OperationalError, OSError) as error:
        advice = _ADVICE[sqlite3.SQLITE_CANTOPEN]
        raise UserError(f"cannot open {path}: {error}{advice}", "system", path) from error
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    if hasattr(connection, "setconfig"):  # Python 3.12 and newer
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # type: ignore[attr-defined]
    connection.text_factory = lambda content: content.decode(errors="replace")
    connection.row_factory = sqlite3.Row
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    # Python handles signals whenever SQLite calls it.
    connection.set_progress_handler(lambda: 0, _STEPS_PER_CALLBACK)
    return connection


@contextmanager
def limited_time(connection: Connection, seconds: float = _SCHEMA_DEADLINE_S) -> Iterator[None]:
    """Interrupt the statement that is running when the time limit is reached."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_PER_CALLBACK // 100)
    try:
        yield
    finally:
        connection.set_progress_handler(lambda: 0, _STEPS_PER_CALLBACK)


def _check_files(path: Path, real: Path) -> None:
    """Check that SQLite would open no other files."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        _check_regular(path, real.with_name(real.name + suffix))
    try:
        with open_regular(real.with_name(f"{real.name}-journal")) as journal:
            size = journal.seek(0, os.SEEK_END)
            journal.seek(max(0, size - len(_SUPER_JOURNAL_MAGIC)))
            names_files = journal.read() == _SUPER_JOURNAL_MAGIC
    except FileNotFoundError:
        return
    except (ValueError, OSError) as error:
        raise UserError(f"cannot open {path}: {error}", "system", path) from error
    if names_files:
        raise UserError(
            f"{path}-journal names other files, which SQLite would delete; yt360 makes no such "
            "journal: remove it if you do not know it",
            "forbidden",
            f"{path}-journal",
        )


def _check_regular(path: Path, file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror}", "system", path) from error
    if stat.S_ISDIR(mode) and resolved(path) == file:
        raise UserError(f"{path} is a folder; a catalog is one file", "invalid", path)
    if not stat.S_ISREG(mode):
        raise UserError(f"cannot open {path}: {file} is not a regular file", "forbidden", file)


def _check_content(connection: Connection, path: Path, create: bool) -> None:
    """Check that the file is a catalog as yt360 makes it, or is empty and may become one."""
    connection.execute("BEGIN")  # one snapshot: another process may be creating the catalog
    try:
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        if found == APPLICATION_ID:
            check_schema(connection)
            return
        empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    finally:
        if connection.in_transaction:  # an error may have ended it
            connection.execute("ROLLBACK")
    if not empty:
        message = f"{path} is an SQLite file, but not a catalog of yt360"
        raise UserError(message, "invalid", path)
    if not create:
        raise UserError(
            f"{path} is empty, not a catalog; fill it with `yt360 import` or "
            f"`yt360 search --out {path}`",
            "empty",
            path,
        )


def _check_pages(connection: Connection, path: Path) -> None:
    """Check the pages of a small catalog, once in a process.

    Pages that refer to each other repeatedly make reading a small file endless. Checking a large
    file takes seconds: see `yt360.catalog.integrity`.

    Raises:
        sqlite3.DatabaseError: A page is damaged.
    """
    status = path.stat()
    state = status.st_dev, status.st_ino, status.st_mtime_ns
    if status.st_size > _MAX_CHECKED_BYTES or state in _checked:
        return
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {' '.join(str(answer).split())}")
    _checked.add(state)


def _use_wal(connection: Connection) -> None:
    """Switch to the write-ahead log. SQLite does not wait for others that do the same."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)
