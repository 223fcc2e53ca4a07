"""The shards of a mirror on disk, which all processes of a machine share under one size limit.

A shard that is being fetched is a temporary file of its full size, which the process that fetches
it has locked (`yt360.files.atomic_write`): it counts like a shard, no other process fetches it, and
if its process is killed, the next one removes it. Shards are named by their path in the mirror,
such as ``train/clips-000000-0123abcd.tar``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from yt360.files import atomic_write, remove_abandoned
from yt360.locks import exclusive_lock
from yt360.splits import SPLITS

_LOCK_FILE = ".room.lock"


class TakenError(Exception):
    """A shard is present, or another process fetches it."""


class NoRoomError(Exception):
    """Removing every shard that may be removed would not make enough room."""


def present_shards(root: Path) -> dict[str, int]:
    """Return the size in bytes of each shard on disk.

    Raises:
        OSError: A folder of the mirror cannot be read.
    """
    return {f"{path.parent.name}/{path.name}": size for path, size in _sizes(root, ".tar").items()}


@contextmanager
def reserved_shard(
    root: Path,
    name: str,
    size_bytes: int,
    limit_bytes: int,
    evictable: Sequence[str],
    remove: Callable[[str], bool],
) -> Iterator[IO[bytes]]:
    """Yield the file of a shard that is to be fetched; it is present when the block has ended.

    Processes make room one after another, and fetch their shards at the same time.

    Args:
        root: Folder of the mirror.
        name: Name of the shard.
        size_bytes: Size of the shard.
        limit_bytes: Maximum total size of the shards in the mirror.
        evictable: Shards that may be removed, in this order; none is if all are too few.
        remove: Removes a shard, or returns False if it is in use.

    Raises:
        TakenError: The shard is present, or another process fetches it.
        NoRoomError: There is no room for it.
        OSError: The folder cannot be read or written.
    """
    with ExitStack() as stack:
        with exclusive_lock(root / _LOCK_FILE, wait=True):
            # In this order: a shard that arrives in between is in both.
            sizes = _fetched_shards(root)
            present = present_shards(root)
            sizes |= present
            if name in sizes:
                raise TakenError(name)
            excess = sum(sizes.values()) + size_bytes - limit_bytes
            candidates = [other for other in evictable if other in present]
            if excess > sum(present[other] for other in candidates):
                raise NoRoomError(name)
            for other in candidates:
                if excess > 0 and remove(other):
                    excess -= present[other]
            if excess > 0:
                raise NoRoomError(name)
            file = stack.enter_context(atomic_write(root / name))
            file.truncate(size_bytes)
        yield file


def _fetched_shards(root: Path) -> dict[str, int]:
    """Return the size of each shard that a process fetches; remove those of killed processes."""
    for path in _sizes(root, ".tmp"):
        remove_abandoned(path)
    return {
        f"{path.parent.name}/{path.name[1:].partition('.tar.')[0]}.tar": size
        for path, size in _sizes(root, ".tmp").items()
    }


def _sizes(root: Path, ending: str) -> dict[Path, int]:
    """Return the sizes of the files of all splits whose names have an ending."""
    sizes: dict[Path, int] = {}
    for split in SPLITS:
        with os.scandir(root / split) as entries:
            for entry in entries:
                if entry.name.endswith(ending):
                    with suppress(FileNotFoundError):  # another process has just moved it
                        sizes[Path(entry.path)] = entry.stat().st_size
    return sizes
