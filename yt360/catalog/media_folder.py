"""The media folder of a catalog, and which folders are trusted.

A catalog names its media folder and the files in it, and may come from an untrusted source. A
folder outside of the catalog's own folder is used only when its file `MARKER` lists the catalog's
id. `Catalog.set_media` writes the marker on behalf of the user; a catalog file cannot.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from yt360.errors import UserError
from yt360.files import private_folder
from yt360.untrusted.files import read_limited

MARKER = ".yt360-media"
CATALOG_ID = "[0-9a-f]{32}"
"""Pattern of the random id that a catalog gets when its media folder is marked."""
_MAX_MARKER_BYTES = 1 << 20
_MAX_DEPTH = 8


def recorded_path(value: object) -> str:
    """Return the path of a media file as a catalog records it, relative to the media folder.

    Raises:
        ValueError: The path is absolute, or `yt360.untrusted.names.file_name` refuses a part of
            it, such as ``..``.
    """
    from yt360.untrusted.names import file_name  # it imports pydantic

    if not isinstance(value, str):
        raise ValueError("not a text")
    names = value.split("/")
    if len(names) > _MAX_DEPTH:
        raise ValueError(f"not a path of at most {_MAX_DEPTH} names")
    for name in names:
        file_name(name)
    return value


def trusted_folder(home: Path, setting: str, catalog_id: str) -> Path:
    """Return the media folder that a catalog names.

    Args:
        home: The catalog's folder.
        setting: The media folder, absolute or relative to `home`.
        catalog_id: The catalog's id; empty when it has none.

    Raises:
        UserError: The folder is outside of `home` and not marked as the catalog's, or `setting`
            cannot be the name of a folder.
    """
    if not setting.isprintable():
        message = f"the catalog's media folder {setting!r:.200} is not a name of a folder"
        raise UserError(message, "invalid", "media")
    folder = home / setting
    inside = Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(home))
    if inside or catalog_id in marks_of(folder):
        return folder
    raise UserError(
        f"the catalog's media folder {str(folder)!r:.200} is not in the folder of the catalog and "
        "not marked as its own; if it is, run `yt360 catalog media CATALOG FOLDER` once",
        "forbidden",
        "media",
    )


def marks_of(folder: Path) -> set[str]:
    """Return the ids of the catalogs that a folder is marked for."""
    try:
        content = read_limited(folder / MARKER, _MAX_MARKER_BYTES, inside=folder)
    except (OSError, ValueError):
        return set()
    lines = content.decode("ascii", errors="replace").split()
    return {line for line in lines if re.fullmatch(CATALOG_ID, line)}


def mark(folder: Path, catalog_id: str) -> None:
    """Mark a folder, which is created when missing, as the media folder of a catalog.

    Raises:
        OSError: The marker cannot be written.
    """
    private_folder(folder)
    if catalog_id in marks_of(folder):
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder / MARKER, flags, 0o666)
    with os.fdopen(descriptor, "ab") as file:
        file.write(f"{catalog_id}\n".encode())
