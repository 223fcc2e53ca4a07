"""The shards of a mirror on disk, which all processes of a machine share within one limit.

Making room and laying claim to a shard is done under a lock on the whole folder; the fetch itself
is not, so several processes may fetch different shards at a time. What is on its way counts as
present. All locks are the system's: those of a process that was killed are gone with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

_ROOM_LOCK = ".room.lock"
_CLAIM = ".claim"


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
        with locked(self.root / _ROOM_LOCK):
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
                with suppress(FileNotFoundError), path.open("r+") as file:
                    if _try_lock(file):
                        for remains in (self.root / split).glob(f".{name}.*.tmp"):
                            remains.unlink(missing_ok=True)
                        path.unlink(missing_ok=True)
                    else:
                        sizes[f"{split}/{name}"] = int(file.read() or 0)
        return sizes


@dataclass
class Claim:
    """The right to fetch a shard, kept by a lock on a file beside it.

    Attributes:
        path: Where the shard is to appear.
    """

    path: Path
    _lock_path: Path
    _file: IO[str]

    @classmethod
    def make(cls, root: Path, name: str, size_bytes: int) -> Claim:
        """Claim a shard that nobody claims; to be called under the folder's lock."""
        path = root / name
        lock_path = path.with_name(f".{path.name}{_CLAIM}")
        file = lock_path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(size_bytes))
        file.flush()
        for remains in path.parent.glob(f".{path.name}.*.tmp"):
            remains.unlink(missing_ok=True)
        return cls(path, lock_path, file)

    def give_up(self) -> None:
        """Let others claim the shard; done when it is there, or could not be fetched."""
        self._lock_path.unlink(missing_ok=True)
        self._file.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep all others out who lock the same file; waits for them."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
