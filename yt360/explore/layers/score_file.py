"""Scores of clips on disk, so that they are computed once for a run and a dataset.

A file has a line of JSON for each clip: its split, its key, and its score. Lines are only appended,
each by one write, so several servers may use a file; what is not a whole line is ignored.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from yt360.files import private_folder
from yt360.untrusted.files import read_limited

MAX_FILE_BYTES = 256 << 20
"""A larger file counts as empty; a clip takes about 50 bytes."""


class ScoreFile:
    """The scores of the clips of a dataset by one run.

    Without a place to write, as on a read-only disk, scores are computed again by the next server.

    Args:
        folder: Folder of all score files, created when it is needed.
        identity: Texts that change with the run and with the dataset.
    """

    def __init__(self, folder: Path, identity: Sequence[str]) -> None:
        digest = hashlib.sha256(json.dumps(list(identity)).encode()).hexdigest()
        self.path = folder / f"{digest[:32]}.jsonl"

    def read(self) -> Iterator[tuple[str, str, float]]:
        """Yield the split, the key and the score of each clip; a clip may be there twice."""
        try:
            content = read_limited(self.path, MAX_FILE_BYTES)
        except (OSError, ValueError):
            return
        for line in content.split(b"\n"):
            if (found := _parsed(line)) is not None:
                yield found

    def append(self, split: str, key: str, score: float) -> None:
        """Add the score of a clip."""
        line = f"{json.dumps([split, key, score], allow_nan=False)}\n".encode()
        with suppress(OSError):
            private_folder(self.path.parent)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, line)
            finally:
                os.close(file)


def _parsed(line: bytes) -> tuple[str, str, float] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != 3:
        return None
    split, key, score = values
    if not isinstance(split, str) or not isinstance(key, str):
        return None
    if type(score) not in (int, float) or not math.isfinite(score):
        return None
    return split, key, float(score)
