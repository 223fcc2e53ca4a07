"""The folder of a video's files: its path, its lock, and its deletion."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yt360.buckets.bucket import Bucket
from yt360.buckets.copies import bucket_of
from yt360.buckets.media import delete_video
from yt360.catalog import Catalog
from yt360.crawl.failures import Damaged
from yt360.errors import UserError
from yt360.files import resolved
from yt360.locks import exclusive_lock

_LOCK = ".lock"


def video_folder(video_id: str) -> Path:
    """Return a video's folder within the media folder; 4,096 parents share a million videos."""
    return Path(video_id[:2]) / video_id


def check_no_links(folder: Path) -> None:
    """Raise Damaged when a folder holds a link, through which a download would write."""
    links = [each.name for each in folder.iterdir() if each.is_symlink()] if folder.exists() else []
    if links:
        raise Damaged("link", f"{folder / links[0]} is a link; remove it, or put the file itself")


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a video's folder, which is created when missing, for this process.

    Claims keep other workers from the video. The lock keeps them waiting for a worker that was
    suspended, lost its claim, and resumes while it writes a file.

    Raises:
        Locked: Another process holds the lock.
    """
    with exclusive_lock(folder / _LOCK):
        try:
            yield
        finally:
            (folder / _LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # it holds files, or the next worker has locked it already
                folder.rmdir()


def delete_media(
    catalog: Catalog, video_id: str, open_bucket: Callable[[str], Bucket] = bucket_of
) -> int:
    """Delete a video's folder and the record of its files; return the number of files.

    Partial files and files without a record are deleted too. Links are deleted, not followed.
    Nothing outside of the video's folder is deleted, whatever the catalog records.

    Args:
        catalog: The catalog, which has the media folder.
        video_id: A video that no worker processes, as after `Videos.drop`.
        open_bucket: Returns the objects under a URL, for media in a bucket.

    Raises:
        UserError: The media folder is not marked as the catalog's (`Catalog.own_media`), a file is
            recorded elsewhere in it, a link leads to the folder, or a process that has lost its
            claim still uses the folder. Nothing is deleted then. Or the bucket cannot be written.
        OSError: A file cannot be deleted; some may be deleted already.
    """
    media = catalog.own_media()
    if catalog.media_url is not None:
        place = video_folder(video_id)
        for local in (catalog.incoming, media):
            shutil.rmtree(local / place, ignore_errors=True)
        count = delete_video(open_bucket(catalog.media_url), place.as_posix())
        catalog.files.clear(video_id)
        return count
    home = resolved(media)
    folder = home / video_folder(video_id)
    for file in catalog.files.of(video_id):
        path = media / file.path
        if home / file.path != folder / path.name and path.exists():
            message = f"{path} is recorded but not in the video's folder; remove it by hand"
            raise UserError(message, "forbidden", path)
    if resolved(folder) != folder:
        message = f"{folder} leads elsewhere by a link; remove what is there by hand"
        raise UserError(message, "forbidden", folder)
    deleted = 0
    if folder.exists():
        with folder_lock(folder):
            deleted = _empty(folder)
    catalog.files.clear(video_id)
    return deleted


def _empty(folder: Path) -> int:
    """Delete everything in a folder but the lock file; return the number of files."""
    deleted = 0
    for path in list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            deleted += sum(len(names) for _, _, names in os.walk(path))
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
            deleted += 1
    return deleted
