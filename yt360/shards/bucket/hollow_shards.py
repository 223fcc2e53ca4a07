"""Hollow shards: sparse files that have the length, headers and facts of a shard, but no media.

A build reads only these from existing shards, so it needs no copy of the media.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from yt360.files import atomic_write
from yt360.shards.format.scan import scan_shard
from yt360.shards.format.schema import CLIP_MEMBERS, ClipRow
from yt360.shards.format.writer import TAR_BLOCK, member_header

KEPT = "json"
"""The member whose content is kept."""


def hollow_out(path: Path) -> None:
    """Replace a shard by its hollow form.

    Raises:
        UserError: It is not a shard.
        OSError: It cannot be read or written.
    """
    samples = list(scan_shard(path))
    with path.open("rb") as shard, atomic_write(path) as file:
        for sample in samples:
            for suffix, (offset, size) in sample.members.items():
                shard.seek(offset - TAR_BLOCK)
                file.seek(offset - TAR_BLOCK)
                file.write(shard.read(TAR_BLOCK + (size if suffix == KEPT else 0)))
        file.truncate(path.stat().st_size)


def write_hollow(
    path: Path, rows: Sequence[ClipRow], facts: Iterable[bytes], shard_bytes: int
) -> None:
    """Write the hollow form of a shard that is stored elsewhere.

    Args:
        path: The file.
        rows: The index of the shard.
        facts: Content of the ``.json`` of each row.
        shard_bytes: Length of the shard.
    """
    with atomic_write(path) as file:
        for row, content in zip(rows, facts, strict=True):
            for member in CLIP_MEMBERS:
                offset, size = row.byte_range(member)
                _write_header(file, offset, f"{row.key}.{member}", size)
                if member == KEPT:
                    file.write(content)
        file.truncate(shard_bytes)


def _write_header(file: IO[bytes], offset: int, name: str, size: int) -> None:
    file.seek(offset - TAR_BLOCK)
    file.write(member_header(name, size))
