"""The shards of a mirror on disk, which all processes of a machine share within one limit.

Making room and laying claim to a shard is done under a lock on the whole folder; the fetch itself
is not, so several processes may fetch different shards at a time. What is on its way counts as
present. All locks are the system's: those of a process that was killed are gone with it.
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
_CLAIM = ".claim"
_MAX_CLAIM_BYTES = 20  # one number


class Refusal(Enum):
    """Why a shard cannot be fetched now."""

    TAKEN = "it is there, or another process fetches it"
    NO_ROOM = "what may be removed is not enough"


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
        """Return the bytes of each shard that is there, whoever fetched it."""
        found: dict[str, int] = {}
        for split in self.splits:
            with os.scandir(self.root / split) as entries:
                for entry in entries:
                    if entry.name.endswith(".tar") and not entry.name.startswith("."):
                        with suppress(FileNotFoundError):
                            found[f"{split}/{entry.name}"] = entry.stat().st_size
        return found

    def claim(
        self,
        name: str,
        size_bytes: int,
        limit_bytes: int,
        expendable: Iterable[str],
        remove: Callable[[str], bool],
    ) -> Claim | Refusal:
        """Make room for a shard and keep other processes from fetching it as well.

        Args:
            name: The shard.
            size_bytes: Its size.
            limit_bytes: Most bytes of shards in the mirror.
            expendable: Shards that may make room, the first to go first.
            remove: Removes a shard, or says by False that it must stay after all.

        Returns:
            The claim, to be given up by the caller, or why there is none. Nothing is removed where
            all that is expendable would not make room.

        Raises:
            OSError: The folder cannot be read or written.
        """
        with exclusive_lock(self.root / _ROOM_LOCK, wait=True):
            on_the_way = self._on_the_way()
            present = self.present()
            if name in present or name in on_the_way:
                return Refusal.TAKEN
            room = limit_bytes - size_bytes - sum((present | on_the_way).values())
            if not self._make_room(room, present, expendable, remove):
                return Refusal.NO_ROOM
            return Claim.make(self.root, name, size_bytes)

    @staticmethod
    def _make_room(
        room: int,
        present: Mapping[str, int],
        expendable: Iterable[str],
        remove: Callable[[str], bool],
    ) -> bool:
        candidates = [name for name in expendable if name in present]
        if room + sum(present[name] for name in candidates) < 0:
            return False
        for name in candidates:
            if room >= 0:
                break
            if remove(name):
                room += present[name]
        return room >= 0

    def _on_the_way(self) -> dict[str, int]:
        """Return the bytes of shards that processes fetch; clear away what killed ones left."""
        sizes: dict[str, int] = {}
        for split in self.splits:
            for path in (self.root / split).glob(f".*{_CLAIM}"):
                name = path.name[1 : -len(_CLAIM)]
                # Gone in this moment: its shard is there, or could not be fetched.
                with suppress(FileNotFoundError):
                    try:
                        with exclusive_lock(path):
                            _remove_parts(self.root / split / name)
                            path.unlink()
                    except Locked:
                        sizes[f"{split}/{name}"] = _claimed_bytes(path)
        return sizes


@dataclass
class Claim:
    """The right to fetch a shard, kept by a lock on a file beside it that holds the shard's size.

    Attributes:
        path: Where the shard is to appear.
    """

    path: Path
    _lock_path: Path
    _lock: int

    @classmethod
    def make(cls, root: Path, name: str, size_bytes: int) -> Claim:
        """Claim a shard that nobody claims; to be called under the folder's lock."""
        path = root / name
        lock_path = path.with_name(f".{path.name}{_CLAIM}")
        lock = acquire(lock_path)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(size_bytes).encode(), 0)
        _remove_parts(path)
        return cls(path, lock_path, lock)

    def give_up(self) -> None:
        """Let others claim the shard; done when it is there, or could not be fetched."""
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)


def _claimed_bytes(claim: Path) -> int:
    """Return the size that a claim states; 0 where it does not, or not yet."""
    try:
        text = read_limited(claim, _MAX_CLAIM_BYTES)
    except ValueError:
        return 0
    return int(text) if text.isdigit() else 0


def _remove_parts(shard: Path) -> None:
    """Remove what killed processes had fetched of a shard."""
    for part in shard.parent.glob(f".{shard.name}.*.tmp"):
        part.unlink(missing_ok=True)
