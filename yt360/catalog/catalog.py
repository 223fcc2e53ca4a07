"""Opening a catalog: the file, its connection, transactions and settings."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from yt360.catalog.database import Connection, transaction
from yt360.catalog.media_folder import CATALOG_ID, mark, marks_of, trusted_folder
from yt360.catalog.opening import BUSY_TIMEOUT_S, connect, limited_time
from yt360.catalog.schema import APPLICATION_ID, ForeignSchema, check_schema, migrate
from yt360.catalog.tables.claims import Claims
from yt360.catalog.tables.files import Clips, Files, Verdicts
from yt360.catalog.tables.listings import Listings
from yt360.catalog.tables.sites import Sites
from yt360.catalog.tables.splits import Splits
from yt360.catalog.tables.videos import Videos
from yt360.errors import UserError

T = TypeVar("T")

_BUSY_RETRY_S = 0.01
_MAX_CHECKED_BYTES = 1 << 20  # 10 to 20 ms
_checked: set[tuple[int, int, int]] = set()
"""Device, inode and time of change of the catalogs whose pages were checked."""


class Catalog:
    """One catalog file, for one thread; processes and threads each open their own.

    Use as a context manager. The parts are attributes::

        with Catalog(path) as catalog:
            claim = catalog.claims.take("inspect", worker="host:123", lease_s=300)
            with catalog.transaction():
                catalog.verdicts.put(claim.video_id, Verdict(kind="silence", verdict="pass"))
                catalog.claims.finish(claim, "accepted")

    Args:
        path: The SQLite file. The folder must be on a local disk: WAL does not work over NFS.
        create: Make the catalog when the file does not exist or is empty.
        clock: Returns seconds since 1970; tests pass their own.

    Raises:
        UserError: There is no such file or folder, it is empty, something else or cannot be opened,
            or a newer version wrote it.
    """

    def __init__(
        self, path: Path, create: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.clock = clock
        if not path.exists() and not create:
            raise UserError(
                f"no catalog at {path}; make one with `yt360 import` or `yt360 search --out {path}`"
            )
        if not path.parent.is_dir():
            raise UserError(f"no folder {path.parent} to make the catalog {path.name} in")
        self.connection = _open(path, create)
        self._depth = 0
        self._media: Path | None = None
        self.videos = Videos(self)
        self.claims = Claims(self)
        self.files = Files(self)
        self.verdicts = Verdicts(self)
        self.clips = Clips(self)
        self.splits = Splits(self)
        self.listings = Listings(self)
        self.sites = Sites(self)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error):  # which names no file
            error.add_note(str(self.path))
        self.close()

    def close(self) -> None:
        """Close the connection; the last one to close folds the WAL into the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: commit when the block ends, roll back when it raises; may be nested."""
        self._depth += 1
        try:
            if self._depth > 1:
                yield self.connection
                return
            with transaction(self.connection):
                yield self.connection
        finally:
            self._depth -= 1

    def number_of(self, video_id: str) -> int:
        """Return the row number of a video.

        Raises:
            UserError: The catalog does not know the id.
        """
        row = self.connection.execute(
            "SELECT number FROM videos WHERE video_id = ?", (video_id,)
        ).fetchone()
        if row is None:
            raise UserError(f"{video_id!r} is not in {self.path}")
        return int(row["number"])

    def setting(self, key: str, kind: type[T], default: T) -> T:
        """Return a stored JSON value of a known type.

        Raises:
            UserError: It is of another type.
        """
        row = self.connection.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        if row is None:
            return default
        from yt360.untrusted.parsing import parse_json

        try:
            return parse_json(row["value"], kind)
        except ValueError as error:
            raise UserError(f"{self.path}: the setting {key!r} is damaged: {error}") from error

    def set_setting(self, key: str, value: Any) -> None:
        """Store a JSON value."""
        self.connection.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = "
            "excluded.value",
            (key, json.dumps(value, sort_keys=True)),
        )

    @property
    def media(self) -> Path:
        """The folder of the downloaded files: ``NAME-media`` beside the catalog unless set.

        Raises:
            UserError: It lies outside of the catalog's folder and is not marked as the catalog's.
        """
        if self._media is None:
            name = self.setting("media", str, self._usual_media)
            self._media = trusted_folder(self.path.parent, name, self.setting("id", str, ""))
        return self._media

    def set_media(self, folder: Path) -> None:
        """Keep the downloaded files in `folder` from now on, and mark it as this catalog's.

        A folder beside or below the catalog is stored relative to it, so both can move together.

        Raises:
            UserError: The folder cannot be made or marked.
        """
        home, target = self.path.parent.resolve(), folder.resolve()
        self._mark(target)
        inside = target.is_relative_to(home)
        self.set_setting("media", str(target.relative_to(home) if inside else target))
        self._media = None

    def make_media(self) -> Path:
        """Return the media folder, in which files may be written and removed.

        It is made and marked when missing. One that was made before folders were marked is marked
        now when it is the usual one.

        Raises:
            UserError: As `own_media`.
        """
        if not self.media.exists() or (self._is_usual_media() and not marks_of(self.media)):
            self._mark(self.media)
        return self.own_media()

    def own_media(self) -> Path:
        """Return the media folder, in which files may be removed.

        Raises:
            UserError: It does not say that it belongs to this catalog.
        """
        folder = self.media
        marks = marks_of(folder)
        if self.setting("id", str, "") in marks or (not marks and self._is_usual_media()):
            return folder
        raise UserError(
            f"{folder} is not marked as the media folder of {self.path}, so nothing is changed in "
            f"it; if it is, run `yt360 catalog media {self.path} {folder}` once"
        )

    @property
    def _usual_media(self) -> str:
        return f"{self.path.stem}-media"

    def _is_usual_media(self) -> bool:
        usual = self.path.parent / self._usual_media
        return self.media == usual and not usual.is_symlink()

    def _mark(self, folder: Path) -> None:
        with self.transaction():
            catalog_id = self.setting("id", str, "")
            if not re.fullmatch(CATALOG_ID, catalog_id):
                catalog_id = secrets.token_hex(16)
                self.set_setting("id", catalog_id)
        try:
            mark(folder, catalog_id)
        except OSError as error:
            raise UserError(
                f"cannot make {folder} the media folder of {self.path}: {error.strerror}"
            ) from error


def is_catalog(path: Path) -> bool:
    """Return whether a path is a catalog, without changing anything."""
    if not path.is_file():
        return False
    try:
        with closing(connect(path, read_only=True)) as connection, limited_time(connection):
            found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    except (sqlite3.DatabaseError, UserError):
        return False
    return found == APPLICATION_ID


def _open(path: Path, create: bool) -> Connection:
    connection = connect(path)
    try:
        with limited_time(connection):
            _check_content(connection, path, create)
            _check_pages(connection, path)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except (sqlite3.OperationalError, ForeignSchema) as error:
        connection.close()
        raise UserError(f"cannot open {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise UserError(f"{path} is not a catalog: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check_content(connection: Connection, path: Path, create: bool) -> None:
    """Raise UserError unless the file is a catalog as we make it, or empty and to become one."""
    with _reading(connection):  # another process may be making the catalog between two questions
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        if found == APPLICATION_ID:
            check_schema(connection)
            return
        empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    if not empty:
        raise UserError(f"{path} is an SQLite file, but not a catalog of yt360")
    if not create:
        raise UserError(
            f"{path} is empty, not a catalog; fill it with `yt360 import` or "
            f"`yt360 search --out {path}`"
        )


def _check_pages(connection: Connection, path: Path) -> None:
    """Check that the pages of a small catalog are whole, once in a process.

    Pages that refer to each other over and over make the reading of a small file endless. Large
    files take seconds: `yt360.catalog.integrity` is for those.

    Raises:
        sqlite3.DatabaseError: They are not.
    """
    status = path.stat()
    state = status.st_dev, status.st_ino, status.st_mtime_ns
    if status.st_size > _MAX_CHECKED_BYTES or state in _checked:
        return
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {' '.join(str(answer).split())}")
    _checked.add(state)


@contextmanager
def _reading(connection: Connection) -> Iterator[None]:
    """Show the block one state of the database."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # a failure may have ended it, and is what matters
            connection.execute("ROLLBACK")


def _use_wal(connection: Connection) -> None:
    """Switch to the write-ahead log, for which SQLite does not wait for others that do the same."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(_BUSY_RETRY_S)
