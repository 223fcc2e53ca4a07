"""Read a shard of labels while other processes may replace it.

Labelling more clips replaces the file by one with other clips at the same offsets, so an offset is
used only with the file that it was read from.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import BadItem, UserError
from yt360.shards.format.scan import scan_shard
from yt360.shards.format.schema import parse_shard_name, shard_name
from yt360.untrusted.files import open_regular

MAX_TRIES = 20


@dataclass(frozen=True)
class Contents:
    """The content of a shard of labels.

    Attributes:
        identity: Distinguishes the file from earlier and later files of the same name.
        ranges: Key -> (offset, length) of its maps.
    """

    identity: tuple[int, ...]
    ranges: Mapping[str, tuple[int, int]]


class LabelShardFile:
    """An open shard of labels, closed when nothing refers to it; safe to use from many threads.

    Args:
        path: Path of the shard.
        name: Name of the set of labels.
        known: Contents found earlier; an unchanged file is not scanned again.

    Attributes:
        contents: Contents of the shard.

    Raises:
        FileNotFoundError: It does not exist.
        UserError: It is not a complete shard or not a regular file, or is replaced continually.
    """

    def __init__(self, path: Path, name: str, known: Contents | None = None) -> None:
        self.path = path
        for _ in range(MAX_TRIES):
            try:
                self._file = open_regular(path, path.parent.parent)
            except ValueError as error:
                raise UserError(str(error), key=path) from None
            close = weakref.finalize(self, self._file.close)
            status = os.fstat(self._file.fileno())
            if known is not None and known.identity == _identity(status):
                self.contents = known
                return
            ranges = member_ranges(path, name)
            if os.path.samestat(path.stat(), status):
                self.contents = Contents(_identity(status), ranges)
                return
            close()  # another file replaced it, and may be the one that was scanned
        raise UserError(
            f"{path} was replaced {MAX_TRIES} times while it was being read; try again",
            code="in-use",
            key=path,
        )

    def read(self, key: str) -> bytes:
        """Return the ``.npz`` of a clip in the shard.

        Raises:
            BadItem: The file has become shorter.
            OSError: The file cannot be read, or a network file system has invalidated it.
        """
        offset, size = self.contents.ranges[key]
        content = os.pread(self._file.fileno(), size, offset)
        if len(content) != size:
            raise BadItem("labels-damaged", f"{self.path} ends before byte {offset + size}")
        return content


def member_ranges(path: Path, name: str) -> dict[str, tuple[int, int]]:
    """Return key -> (offset, length) of the maps in a shard of labels.

    Raises:
        FileNotFoundError: It does not exist.
        UserError: The shard cannot be read.
    """
    suffix = f"{name}.npz"
    return {
        s.key: s.members[suffix]
        for s in scan_shard(path, path.parent.parent)
        if suffix in s.members
    }


def label_shard(clip_shard: Path, name: str) -> Path:
    """Return the path of the labels beside a shard of clips."""
    parsed = parse_shard_name(clip_shard.name)
    if parsed is None:
        raise UserError(f"{clip_shard.name!r} is not a valid name of a shard", key=clip_shard)
    return clip_shard.with_name(shard_name(parsed[1], name))


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
