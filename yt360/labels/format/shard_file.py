"""A shard of labels that is open: where its maps lie, and their bytes, from one and the same file.

Labelling more clips puts a new file under the old name, with other clips at the same offsets. So an
offset is used on the very file that it was read from and on no other.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import BadItem, UserError
from yt360.shards.format.scan import scan_shard
from yt360.untrusted.files import open_regular

MAX_TRIES = 20


@dataclass(frozen=True)
class Contents:
    """What a shard of labels holds.

    Attributes:
        identity: Tells its file from any that stands under the name before or after it.
        ranges: Key -> (offset, length) of its maps.
    """

    identity: tuple[int, ...]
    ranges: Mapping[str, tuple[int, int]]


class LabelShardFile:
    """An open shard of labels; closed when nobody refers to it. May be used from many threads.

    Args:
        path: The shard.
        name: Of the set of labels.
        known: What was found in it before; it is not searched again where that still holds.

    Attributes:
        contents: What it holds.

    Raises:
        FileNotFoundError: There is none.
        UserError: It is no whole shard or no regular file, or is replaced all the time.
    """

    def __init__(self, path: Path, name: str, known: Contents | None = None) -> None:
        self.path = path
        for _ in range(MAX_TRIES):
            try:
                self._file = open_regular(path, path.parent.parent)
            except ValueError as error:
                raise UserError(str(error)) from None
            close = weakref.finalize(self, self._file.close)
            status = os.fstat(self._file.fileno())
            if known is not None and known.identity == _identity(status):
                self.contents = known
                return
            ranges = member_ranges(path, name)
            if os.path.samestat(path.stat(), status):
                self.contents = Contents(_identity(status), ranges)
                return
            close()  # another file took its place meanwhile, and may be what was searched
        raise UserError(f"{path} was replaced {MAX_TRIES} times while it was read; try again")

    def read(self, key: str) -> bytes:
        """Return the ``.npz`` of a clip that it holds.

        Raises:
            BadItem: The file has become shorter.
            OSError: It cannot be read, or is gone from a network's file server.
        """
        offset, size = self.contents.ranges[key]
        content = os.pread(self._file.fileno(), size, offset)
        if len(content) != size:
            raise BadItem("labels-damaged", f"{self.path} ends before byte {offset + size}")
        return content


def member_ranges(path: Path, name: str) -> dict[str, tuple[int, int]]:
    """Return key -> (offset, length) of the maps in a shard of labels.

    Raises:
        FileNotFoundError: There is none.
        UserError: The shard cannot be read.
    """
    suffix = f"{name}.npz"
    return {
        s.key: s.members[suffix]
        for s in scan_shard(path, path.parent.parent)
        if suffix in s.members
    }


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
