"""Files that workers leave beside the shards when they are killed."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from yt360.labels.claims import LEASE_S

_NAME = r"(?P<labels>[a-z][a-z0-9_]*)"
_LEFTOVERS = (
    re.compile(rf"\.{_NAME}-\d{{6,}}(\.tar\.[0-9a-z.]+\.tmp|\.claim(\.takeover)?\.[0-9a-f]{{32}})"),
    re.compile(rf"\.labels-{_NAME}\.json\.[0-9a-z]+\.tmp"),
)


def remove_leftovers(folder: Path, name: str, lease_s: float = LEASE_S) -> None:
    """Remove half-written files of labels and claims in the making that nobody works on.

    Younger ones may belong to a worker that lives, here or on another machine.

    Args:
        folder: Of the dataset or of a split.
        name: Of the set of labels.
        lease_s: How long a file must have lain untouched.
    """
    found = [path for path in folder.glob(".*") if _is_of(path, name)]
    if not found:
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        # Both times are those of the file server, so machines need not agree about the time.
        now = os.fstat(file.fileno()).st_mtime
    for path in found:
        try:
            if now - path.stat().st_mtime > lease_s:
                path.unlink()
        except FileNotFoundError:
            continue  # finished, or removed by another worker


def _is_of(path: Path, name: str) -> bool:
    matches = (pattern.fullmatch(path.name) for pattern in _LEFTOVERS)
    return any(match is not None and match["labels"] == name for match in matches)
