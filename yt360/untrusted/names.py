"""Untrusted names that become paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

MAX_NAME_BYTES = 200
"""File systems allow 255; temporary files have longer names."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SEPARATORS = re.compile(r"[/\\:]")
# Windows opens a device for these names with any suffix; datasets are also used there.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def file_name(name: str) -> str:
    r"""Return `name` if it is a valid name of a file in a folder.

    Raises:
        ValueError: It is empty or longer than `MAX_NAME_BYTES`, begins with a dot, ends with a dot
            or a space, contains a separator (``/``, ``\``, ``:``), a control character or one that
            changes the direction of text, is not UTF-8, or is a device on Windows.
    """
    problem = _problem(name)
    if problem:
        raise ValueError(f"{name[:MAX_NAME_BYTES]!r} is not a valid file name: {problem}")
    return name


FileName = Annotated[str, AfterValidator(file_name)]
"""The type of a field that holds the name of a file."""


def path_inside(folder: Path, *names: str) -> Path:
    """Return the path of a file in `folder`, or in folders below it.

    Args:
        folder: A trusted folder.
        names: Names of folders and, last, of the file; each valid for `file_name`.

    Raises:
        ValueError: As `file_name`.
    """
    return folder.joinpath(*map(file_name, names))


def _problem(name: str) -> str | None:
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if not 0 < length <= MAX_NAME_BYTES:
        return f"it has {length} bytes; 1 to {MAX_NAME_BYTES} are allowed"
    if _SEPARATORS.search(name):
        return "it contains a separator"
    if _CONTROL.search(name):
        return "it contains a control character"
    if name.startswith("."):
        return "it begins with a dot"
    if name.endswith((".", " ")):
        return "it ends with a dot or a space"
    if _RESERVED.fullmatch(name):
        return "it is reserved on Windows"
    return None
