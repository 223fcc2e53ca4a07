"""Removing what was downloaded of a video: the whole of it, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from yt360.catalog import Catalog
from yt360.crawl.guard import folder_lock
from yt360.crawl.worker import media_folder
from yt360.errors import UserError


def remove_media(catalog: Catalog, video_id: str) -> int:
    """Remove a video's folder and the record of its files; return how many files there were.

    What no record tells of goes too: parts of files, and files of a download that never ended.
    Links are removed, never followed.

    Args:
        catalog: Knows the media folder.
        video_id: A known video that nobody works on, as after `Videos.drop`.

    Raises:
        UserError: A link leads from the media folder to the files, or a process that has lost the
            video still works in its folder. Nothing is removed then.
        OSError: A file cannot be removed; some may be gone.
    """
    home = catalog.media.resolve()
    folder = home / media_folder(video_id)
    recorded = [home / file.path for file in catalog.files.of(video_id)]
    for path in (folder, *(path.parent for path in recorded)):
        if path.resolve() != path:
            raise UserError(f"{path} leads elsewhere by a link; remove what is there by hand")
    removed = 0
    if folder.exists():
        with folder_lock(folder):
            removed += _empty(folder)
    for path in recorded:
        if path.exists():
            path.unlink()
            removed += 1
    catalog.files.forget(video_id)
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
