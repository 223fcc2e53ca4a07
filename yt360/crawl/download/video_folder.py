"""Removing what was downloaded of a video: the whole of it, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from yt360.catalog import Catalog
from yt360.crawl.download.transfer_monitor import folder_lock
from yt360.crawl.download.worker import media_folder
from yt360.errors import UserError


def delete_media(catalog: Catalog, video_id: str) -> int:
    """Remove a video's folder and the record of its files; return how many files there were.

    What no record tells of goes too: parts of files, and files of a download that never ended.
    Links are removed, never followed. Nothing is removed outside of the video's folder, whatever
    the catalog records.

    Args:
        catalog: Knows the media folder.
        video_id: A known video that nobody works on, as after `Videos.drop`.

    Raises:
        UserError: The media folder is not known to be the catalog's (`Catalog.own_media`), a file
            is recorded elsewhere in it, a link leads from it to the files, or a process that has
            lost the video still works in its folder. Nothing is removed then.
        OSError: A file cannot be removed; some may be gone.
    """
    media = catalog.own_media()
    home = media.resolve()
    folder = home / media_folder(video_id)
    for file in catalog.files.of(video_id):
        path = media / file.path
        if home / file.path != folder / path.name and path.exists():
            raise UserError(f"{path} is recorded but not in the video's folder; remove it by hand")
    if folder.resolve() != folder:
        raise UserError(f"{folder} leads elsewhere by a link; remove what is there by hand")
    removed = 0
    if folder.exists():
        with folder_lock(folder):
            removed += _empty(folder)
    catalog.files.clear(video_id)
    return removed


def _empty(folder: Path) -> int:
    """Remove everything in a folder but the file of its lock; return the number of files."""
    removed = 0
    for path in list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            removed += sum(len(names) for _, _, names in os.walk(path))
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()
            removed += 1
    return removed
