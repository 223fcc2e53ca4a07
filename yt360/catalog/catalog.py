"""A catalog: an SQLite file with its tables, and the media folder that belongs to it."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from yt360.buckets.address import as_bucket_url, as_url
from yt360.buckets.cache import COPIES_FOLDER, INCOMING_FOLDER, media_workspace
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
from yt360.files import resolved

if TYPE_CHECKING:
    from yt360.buckets.bucket import Bucket


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
    def media_url(self) -> str | None:
        """The folder in a bucket in which the downloaded files are; None for a local folder."""
        return as_url(self.setting("media", str, self._default_media))

    @property
    def media(self) -> Path:
        """The folder of the downloaded files: ``NAME-media`` beside the catalog unless set.

        For a bucket, the local folder of copies (`yt360.buckets.copies`).

        Raises:
            UserError: It is outside of the catalog's folder and not marked as the catalog's.
        """
        if self._media is None:
            name = self.setting("media", str, self._default_media)
            if (url := as_url(name)) is not None:
                workspace = media_workspace(url)
                if self.setting("id", str, "") not in marks_of(workspace):
                    raise UserError(
                        f"the media of {self.path} are in {url}, which is not marked as its own "
                        f"on this machine; if it is, run `yt360 catalog media {self.path} {url}` "
                        "once",
                        "forbidden",
                        "media",
                    )
                self._media = workspace / COPIES_FOLDER
                return self._media
            self._media = trusted_folder(self.path.parent, name, self.setting("id", str, ""))
        return self._media

    @property
    def incoming(self) -> Path:
        """The folder of files that are being downloaded; for a bucket, they are uploaded from it.

        Raises:
            UserError: As `media`.
        """
        return self.media.parent / INCOMING_FOLDER if self.media_url else self.media

    def set_media(self, folder: Path, open_bucket: Callable[[str], Bucket] | None = None) -> None:
        """Set the folder of the downloaded files, and mark it as this catalog's.

        A folder beside or below the catalog is stored relative to it, so both can move together.

        Args:
            folder: The folder, or the URL of one in a bucket.
            open_bucket: Returns the objects under a URL; by default with this machine's rights.

        Raises:
            UserError: The folder cannot be created or marked, it is in a bucket that holds the
                media of another catalog, or files are recorded, which do not move between folders
                and buckets. Nothing is changed then.
        """
        url = as_bucket_url(folder)
        if url != self.media_url and self.files.any():
            raise UserError(
                f"{self.path} records files in {self.media_url or self.media}; media do not move "
                "to or from a bucket after the first download",
                "conflict",
                "--media",
            )
        if url is not None:
            self._set_media_url(url, open_bucket)
            return
        home, target = resolved(self.path.parent), resolved(folder)
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
        if self.media_url is None and (
            not self.media.exists() or (self._has_default_media() and not marks_of(self.media))
        ):
            self._mark(self.media)
        return self.own_media()

    def own_media(self) -> Path:
        """Return the media folder for removing files.

        Raises:
            UserError: It is not marked as this catalog's.
        """
        folder = self.media
        marks = marks_of(folder.parent if self.media_url else folder)
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

    def _set_media_url(self, url: str, open_bucket: Callable[[str], Bucket] | None) -> None:
        from yt360.buckets.copies import bucket_of, make_media_workspace
        from yt360.buckets.media import claim_prefix

        claim_prefix((open_bucket or bucket_of)(url), self._own_id())
        self._mark(make_media_workspace(url))
        self.set_setting("media", url)
        self._media = None

    def _own_id(self) -> str:
        """Return the id of the catalog, which it gets now if it has none."""
        with self.transaction():
            catalog_id = self.setting("id", str, "")
            if not re.fullmatch(CATALOG_ID, catalog_id):
                catalog_id = secrets.token_hex(16)
                self.set_setting("id", catalog_id)
        return catalog_id

    def _mark(self, folder: Path) -> None:
        try:
            mark(folder, self._own_id())
        except OSError as error:
            message = f"cannot make {folder} the media folder of {self.path}: {error.strerror}"
            raise UserError(message, "system", folder) from error
