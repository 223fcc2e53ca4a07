"""Files that workers leave beside the shards when they are killed."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from yt360.labels.claims import LEASE_S, is_abandoned


def remove_leftovers(folder: Path, name: str, lease_s: float = LEASE_S) -> None:
    """Remove half-written files of labels, and claims, that nobody works on.

    Younger ones may belong to a worker that lives, here or on another machine. A claim stays behind
    when its maker is killed after the last label is written: nobody claims that work any more.

    Args:
        folder: Of the dataset or of a split.
        name: Of the set of labels.
        lease_s: How long a file must have lain untouched; the claim of a process of this machine
            that is dead need not.
    """
    claim = re.compile(rf"\.{name}-\d{{6,}}\.claim(\.takeover)?(\.[0-9a-f]{{32}})?")
    half = re.compile(rf"\.({name}-\d{{6,}}\.tar|labels-{name}\.json)\.[0-9a-z.]+\.tmp")
    paths = list(folder.glob(".*"))
    claims = [path for path in paths if claim.fullmatch(path.name)]
    halves = [path for path in paths if half.fullmatch(path.name)]
    if not (claims or halves):
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        # Both times are those of the file server, so machines need not agree about the time.
        now = os.fstat(file.fileno()).st_mtime
    left = [path for path in claims if is_abandoned(path, now, lease_s)]
    left += [path for path in halves if _age_s(path, now) > lease_s]
    for path in left:
        path.unlink(missing_ok=True)  # or another worker has removed it


def _age_s(path: Path, now: float) -> float:
    """Return how long a file has lain untouched; 0 when it is gone."""
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
