"""Where the media of a catalog lie: which folders are believed, and which are its own.

A catalog names its media folder and the files in it, and somebody else may have written it. A
folder outside of the catalog's own is used only when it says itself that it belongs to the catalog:
its file `MARKER` lists the ids of catalogs. `Catalog.set_media` writes that, as the user asks for
it; no catalog can.
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
"""Pattern of the random id of a catalog, which is given when its media folder is marked."""
_MAX_MARKER_BYTES = 1 << 20
_MAX_DEPTH = 8


def recorded_path(value: object) -> str:
    """Return the path of a media file as a catalog records it, relative to the media folder.

    Raises:
        ValueError: It is absolute, or `yt360.untrusted.names.file_name` refuses a part of it, such
            as ``..``.
    """
    from yt360.untrusted.names import (
        file_name,  # it takes pydantic, which most commands do not need
    )

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
        catalog_id: The catalog's id; empty without one.

    Raises:
        UserError: It lies elsewhere and is not marked as belonging to the catalog, or it cannot
            be the name of a folder.
    """
    if not setting.isprintable():
        raise UserError(f"the catalog's media folder {setting!r:.200} is not a name of a folder")
    folder = home / setting
    if is_inside(folder, home) or is_marked(folder, catalog_id):
        return folder
    raise UserError(
        f"the catalog's media folder {str(folder)!r:.200} is not in the folder of the catalog and "
        "not marked as its own; if it is, run `yt360 catalog media CATALOG FOLDER` once"
    )


def is_inside(folder: Path, home: Path) -> bool:
    """Return whether a folder is `home` or below it, links followed."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(home))


def is_marked(folder: Path, catalog_id: str) -> bool:
    """Return whether a folder says that it holds media of a catalog."""
    return catalog_id in marks_of(folder)


def marks_of(folder: Path) -> set[str]:
    """Return the ids of the catalogs whose media a folder says that it holds."""
    try:
        content = read_limited(folder / MARKER, _MAX_MARKER_BYTES, inside=folder)
    except (OSError, ValueError):
        return set()
    lines = content.decode("ascii", errors="replace").split()
    return {line for line in lines if re.fullmatch(CATALOG_ID, line)}


def mark(folder: Path, catalog_id: str) -> None:
    """Let a folder, made when missing, say that it holds media of a catalog.

    Raises:
        OSError: It cannot be written.
    """
    private_folder(folder)
    if is_marked(folder, catalog_id):
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder / MARKER, flags, 0o666)
    with os.fdopen(descriptor, "ab") as file:
        file.write(f"{catalog_id}\n".encode())
