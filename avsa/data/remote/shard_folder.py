"""The shards of a mirror on disk, which all processes of a machine share under one size limit.

A process reserves space for a shard while it holds the lock of the folder, and fetches the shard
without the lock, so processes can fetch different shards concurrently. Reserved bytes count as
used. The operating system releases the locks of killed processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from yt360.locks import Locked, acquire, exclusive_lock
from yt360.untrusted.files import read_limited

_ROOM_LOCK = ".room.lock"
_RESERVATION = ".reservation"
_MAX_RESERVATION_BYTES = 20  # a reservation contains one decimal number


class Refusal(Enum):
    """Reason why space for a shard cannot be reserved."""

    TAKEN = "the shard is present, or another process fetches it"
    NO_ROOM = "removing every shard that may go would not make enough room"


class ShardFolder:
    """The ``.tar`` files of a mirror, in one folder per split.

    Shards are named by their path in the mirror, such as ``train/clips-000000-0123abcd.tar``.

    Args:
        root: Folder of the mirror.
        splits: Names of the splits.
    """

    def __init__(self, root: Path, splits: Iterable[str]) -> None:
        self.root, self.splits = root, tuple(splits)

    def present(self) -> dict[str, int]:
        """Return the size in bytes of each shard on disk."""
        found: dict[str, int] = {}
        for split in self.splits:
            with os.scandir(self.root / split) as entries:
                for entry in entries:
                    if entry.name.endswith(".tar") and not entry.name.startswith("."):
                        with suppress(FileNotFoundError):
                            found[f"{split}/{entry.name}"] = entry.stat().st_size
        return found

    def reserve(
        self,
        name: str,
        size_bytes: int,
        limit_bytes: int,
        evictable: Iterable[str],
        remove: Callable[[str], bool],
    ) -> Reservation | Refusal:
        """Reserve space for a shard, and prevent other processes from fetching it.

        Args:
            name: Name of the shard.
            size_bytes: Size of the shard.
            limit_bytes: Maximum total size of the shards in the mirror.
            evictable: Shards that may be removed to free space, in this order.
            remove: Removes a shard, or returns False if it is in use.

        Returns:
            The reservation, which the caller must release, or the reason why there is none. If
            removing all evictable shards would not free enough space, no shard is removed.

        Raises:
            OSError: The folder cannot be read or written.
        """
        with exclusive_lock(self.root / _ROOM_LOCK, wait=True):
            reserved = self._reserved()
            present = self.present()
            if name in present or name in reserved:
                return Refusal.TAKEN
            room = limit_bytes - size_bytes - sum((present | reserved).values())
            if not self._make_room(room, present, evictable, remove):
                return Refusal.NO_ROOM
            return Reservation.make(self.root, name, size_bytes)

    @staticmethod
    def _make_room(
        room: int,
        present: Mapping[str, int],
        evictable: Iterable[str],
        remove: Callable[[str], bool],
    ) -> bool:
        candidates = [name for name in evictable if name in present]
        if room + sum(present[name] for name in candidates) < 0:
            return False
        for name in candidates:
            if room >= 0:
                break
            if remove(name):
                room += present[name]
        return room >= 0

    def _reserved(self) -> dict[str, int]:
        """Return the reserved bytes of each shard; clean up after killed processes."""
        sizes: dict[str, int] = {}
        for split in self.splits:
            for path in (self.root / split).glob(f".*{_RESERVATION}"):
                name = path.name[1 : -len(_RESERVATION)]
                # Another process may have released it in the meantime.
                with suppress(FileNotFoundError):
                    try:
                        with exclusive_lock(path):
                            _remove_parts(self.root / split / name)
                            path.unlink()
                    except Locked:
                        sizes[f"{split}/{name}"] = _reserved_bytes(path)
        return sizes


@dataclass
class Reservation:
    """The right to fetch a shard: a locked file beside it that contains the shard's size.

    Attributes:
        path: Path of the shard.
    """

    path: Path
    _lock_path: Path
    _lock: int

    @classmethod
    def make(cls, root: Path, name: str, size_bytes: int) -> Reservation:
        """Create the reservation of a shard; the caller holds the lock of the folder."""
        path = root / name
        lock_path = path.with_name(f".{path.name}{_RESERVATION}")
        lock = acquire(lock_path)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(size_bytes).encode(), 0)
        _remove_parts(path)
        return cls(path, lock_path, lock)

    def release(self) -> None:
        """End the reservation, after the shard was fetched or the fetch failed."""
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)


def _reserved_bytes(reservation: Path) -> int:
    """Return the size in a reservation file; 0 if it is not written yet."""
    try:
        text = read_limited(reservation, _MAX_RESERVATION_BYTES)
    except ValueError:
        return 0
    return int(text) if text.isdigit() else 0


def _remove_parts(shard: Path) -> None:
    """Remove the partial files of a shard that killed processes left."""
    for part in shard.parent.glob(f".{shard.name}.*.tmp"):
        part.unlink(missing_ok=True)
