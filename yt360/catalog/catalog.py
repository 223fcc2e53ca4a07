"""A catalog: an SQLite file with its tables, and the media folder that belongs to it."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from yt360.catalog.database import Database
from yt360.catalog.media_folder import CATALOG_ID, mark, marks_of, trusted_folder
from yt360.catalog.opening import open_catalog
from yt360.catalog.tables.claims import Claims
from yt360.catalog.tables.clips import Clips
from yt360.catalog.tables.decisions import Decisions
from yt360.catalog.tables.files import Files
from yt360.catalog.tables.listings import Listings
from yt360.catalog.tables.lists import Lists
from yt360.catalog.tables.sites import Sites
from yt360.catalog.tables.splits import Splits
from yt360.catalog.tables.verdicts import Verdicts
from yt360.catalog.tables.videos import Videos
from yt360.errors import UserError


class Catalog(Database):
    """An open catalog, for one thread; each process and each thread opens its own.

    Use it as a context manager. The tables are attributes::

        with Catalog(path) as catalog:
            claim = catalog.claims.take("inspect", worker="host:123", lease_s=300)
            with catalog.transaction():
                catalog.verdicts.put(claim.video_id, Verdict(kind="silence", verdict="pass"))
                catalog.claims.finish(claim, "accepted")

    Args:
        path: The SQLite file, on a local disk: the write-ahead log does not work over NFS.
        create: Create the catalog when the file is missing or empty.
        clock: Returns seconds since 1970.

    Raises:
        UserError: The file or its folder is missing, or the file is empty, is not a catalog, cannot
            be opened, or was written by a newer version.
    """

    def __init__(
        self, path: Path, create: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(path, open_catalog(path, create), clock)
        self._media: Path | None = None
        self.videos = Videos(self)
        self.claims = Claims(self)
        self.files = Files(self)
        self.verdicts = Verdicts(self)
        self.clips = Clips(self)
        self.splits = Splits(self)
        self.listings = Listings(self)
        self.lists = Lists(self)
        self.sites = Sites(self)
        self.decisions = Decisions(self)

    @property
    def media(self) -> Path:
        """The folder of the downloaded files: ``NAME-media`` beside the catalog unless set.

        Raises:
            UserError: It is outside of the catalog's folder and not marked as the catalog's.
        """
        if self._media is None:
            name = self.setting("media", str, self._default_media)
            self._media = trusted_folder(self.path.parent, name, self.setting("id", str, ""))
        return self._media

    def set_media(self, folder: Path) -> None:
        """Set the folder of the downloaded files, and mark it as this catalog's.

        A folder beside or below the catalog is stored relative to it, so both can move together.

        Raises:
            UserError: The folder cannot be created or marked.
        """
        home, target = self.path.parent.resolve(), folder.resolve()
        self._mark(target)
        inside = target.is_relative_to(home)
        self.set_setting("media", str(target.relative_to(home) if inside else target))
        self._media = None

    def make_media(self) -> Path:
        """Return the media folder for writing; it is created and marked when missing.

        A default folder without a mark, made by an older version, is marked.

        Raises:
            UserError: As `own_media`.
        """
        if not self.media.exists() or (self._has_default_media() and not marks_of(self.media)):
            self._mark(self.media)
        return self.own_media()

    def own_media(self) -> Path:
        """Return the media folder for removing files.

        Raises:
            UserError: It is not marked as this catalog's.
        """
        folder = self.media
        marks = marks_of(folder)
        if self.setting("id", str, "") in marks or (not marks and self._has_default_media()):
            return folder
        raise UserError(
            f"{folder} is not marked as the media folder of {self.path}, so nothing is changed in "
            f"it; if it is, run `yt360 catalog media {self.path} {folder}` once",
            "forbidden",
            folder,
        )

    @property
    def _default_media(self) -> str:
        return f"{self.path.stem}-media"

    def _has_default_media(self) -> bool:
        default = self.path.parent / self._default_media
        return self.media == default and not default.is_symlink()

    def _mark(self, folder: Path) -> None:
        with self.transaction():
            catalog_id = self.setting("id", str, "")
            if not re.fullmatch(CATALOG_ID, catalog_id):
                catalog_id = secrets.token_hex(16)
                self.set_setting("id", catalog_id)
        try:
            mark(folder, catalog_id)
        except OSError as error:
            message = f"cannot make {folder} the media folder of {self.path}: {error.strerror}"
            raise UserError(message, "system", folder) from error
