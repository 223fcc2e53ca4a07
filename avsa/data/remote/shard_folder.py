"""The shards of a mirror on disk, which all processes of a machine share within one size limit.

Processes reserve room for a shard under a lock of the whole folder and fetch it without the lock,
so several can fetch different shards at a time. Reserved bytes count as used. All locks belong to
the operating system, which releases those of killed processes.
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
_MAX_RESERVATION_BYTES = 20  # one number


class Refusal(Enum):
    """Why room for a shard cannot be reserved now."""

    TAKEN = "the shard is present, or another process fetches it"
    NO_ROOM = "removing every shard that may go would not make enough room"


class ShardFolder:
    """The ``.tar`` files in a mirror's folders, one for each split.

    Shards are named by their path in the mirror, such as ``train/clips-000000-0123abcd.tar``.

    Args:
        root: The mirror.
        splits: Its folders.
    """

    def __init__(self, root: Path, splits: Iterable[str]) -> None:
        self.root, self.splits = root, tuple(splits)

    def present(self) -> dict[str, int]:
        """Return the bytes of each shard that is present, whichever process fetched it."""
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
        """Reserve room for a shard, and keep other processes from fetching it.

        Args:
            name: The shard.
            size_bytes: Its size.
            limit_bytes: Most bytes of shards in the mirror.
            evictable: Shards that may be removed to make room, in this order.
            remove: Removes a shard, or returns False if it must stay.

        Returns:
            The reservation, which the caller must release, or why there is none. Nothing is removed
            if removing every evictable shard would not make enough room.

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
        """Return the reserved bytes of each shard; remove what killed processes left."""
        sizes: dict[str, int] = {}
        for split in self.splits:
            for path in (self.root / split).glob(f".*{_RESERVATION}"):
                name = path.name[1 : -len(_RESERVATION)]
                # It may have been released in the meantime.
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
        """Reserve a shard that is not reserved; the caller holds the lock of the folder."""
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
    """Return the size in a reservation; 0 if it is not written yet."""
    try:
        text = read_limited(reservation, _MAX_RESERVATION_BYTES)
    except ValueError:
        return 0
    return int(text) if text.isdigit() else 0


def _remove_parts(shard: Path) -> None:
    """Remove the parts of a shard that killed processes left."""
    for part in shard.parent.glob(f".{shard.name}.*.tmp"):
        part.unlink(missing_ok=True)
