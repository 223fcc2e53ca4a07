"""A size-limited folder of shards that are fetched whole, ahead of use.

The order of use is known (`ShardCache.follow`), so the next missing shard is always fetched first
and the one that is needed last makes room. Processes on one machine may share the folder: a lock
file per shard keeps two of them from fetching the same one.
"""

from __future__ import annotations

import fcntl
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from yt360.errors import BadItem, UserError
from yt360.shards.schema import ShardInfo

# How many steps ahead the order of use is looked at.
LOOKAHEAD_STEPS = 2000
_POLL_S = 0.2

Fetch = Callable[[str, ShardInfo, Path], None]
ShardsOfStep = Callable[[int], set[str]]


class ShardCache:
    """Shards of one split in a folder, fetched when they are soon needed.

    Args:
        folder: Where the shards appear.
        shards: All shards of the split by name.
        limit_bytes: Most bytes of shards in the folder.
        fetch: Makes a shard appear at a path, whole; raises OSError or BadItem.
        on_change: Called after shards have been removed.

    Raises:
        UserError: The limit has no room for two shards.
    """

    def __init__(
        self,
        folder: Path,
        shards: Mapping[str, ShardInfo],
        limit_bytes: int,
        fetch: Fetch,
        on_change: Callable[[], None],
    ) -> None:
        self.folder, self.shards, self.limit_bytes = folder, dict(shards), limit_bytes
        self._fetch, self._on_change = fetch, on_change
        largest = max((shard.bytes for shard in self.shards.values()), default=0)
        if 2 * largest > limit_bytes:
            raise UserError(
                f"a cache of {limit_bytes / 1e9:.3g} GB has no room for two shards of "
                f"{largest / 1e9:.3g} GB; set a larger --cache-gb"
            )
        self._changed = threading.Condition()
        self._reading: Counter[str] = Counter()
        self._failed: dict[str, str] = {}
        self._upcoming: deque[tuple[int, set[str]]] = deque()
        self._shards_of_step: ShardsOfStep | None = None
        self._next_step = count()
        self._closed = False
        self._thread: threading.Thread | None = None

    def follow(self, shards_of_step: ShardsOfStep, first_step: int) -> None:
        """Fetch ahead what steps will use, from a step on.

        Args:
            shards_of_step: Shards that a step reads; none past the end.
            first_step: The first step.

        Raises:
            UserError: One step alone reads more shards than the cache holds.
        """
        needed = shards_of_step(first_step)
        size = sum(self.shards[name].bytes for name in needed)
        if size > self.limit_bytes:
            raise UserError(
                f"one batch reads {len(needed)} shards ({size / 1e9:.3g} GB), the cache holds "
                f"{self.limit_bytes / 1e9:.3g} GB; set plan.window_shards (8, say), or a larger "
                "--cache-gb"
            )
        with self._changed:
            self._shards_of_step, self._next_step = shards_of_step, count(first_step)
            self._upcoming.clear()
            self._changed.notify_all()
        self._start()

    def at_step(self, step: int) -> None:
        """Hear that all steps before this one are done with."""
        with self._changed:
            while self._upcoming and self._upcoming[0][0] < step:
                self._upcoming.popleft()
            self._changed.notify_all()

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Wait until a shard is there; it stays while the block runs.

        Raises:
            BadItem: ``"shard-unreadable"`` when it cannot be fetched.
        """
        path = self.folder / name
        with self._changed:
            self._reading[name] += 1
            self._failed.pop(name, None)
        try:
            if not path.exists():
                self._wait_for(path)
            yield path
        finally:
            with self._changed:
                self._reading[name] -= 1
                if not self._reading[name]:
                    del self._reading[name]
                self._changed.notify_all()

    def _wait_for(self, path: Path) -> None:
        self._start()
        with self._changed:
            self._changed.notify_all()
            while not path.exists():
                if path.name in self._failed:
                    raise BadItem("shard-unreadable", self._failed[path.name])
                if self._closed:
                    raise BadItem("shard-unreadable", f"{path.name}: the cache is closed")
                self._changed.wait(_POLL_S)

    def close(self) -> None:
        """Stop fetching; the shards stay for another run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        with self._changed:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="shards", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (wanted := self._choose()) is None:
                    self._changed.wait(_POLL_S)
                if self._closed:
                    return
            assert wanted is not None
            error = self._bring(wanted)
            with self._changed:
                if error is not None:
                    self._failed[wanted] = error
                self._changed.notify_all()

    def _bring(self, name: str) -> str | None:
        """Fetch a shard; return why it failed, or None."""
        path = self.folder / name
        try:
            with _locked(self.folder / f".{name}.lock"):
                for remains in self.folder.glob(f".{name}.*.tmp"):  # of a run that was killed
                    remains.unlink(missing_ok=True)
                if not path.exists():
                    self._fetch(name, self.shards[name], path)
        except (OSError, BadItem) as error:
            return str(error)
        return None

    def _choose(self) -> str | None:
        """Return the shard to fetch next, when there is room for it or room could be made."""
        present = self._present()
        order = self._order_of_use()
        for name in [*self._reading, *order]:
            if name not in present and name not in self._failed:
                return name if self._make_room(name, present, order) else None
        return None

    def _order_of_use(self) -> list[str]:
        """Return the shards of the steps ahead, soonest first, as many as the cache can hold."""
        order: dict[str, int] = {}
        for _, names in self._upcoming:
            order.update((name, self.shards[name].bytes) for name in sorted(names))
        while self._shards_of_step and len(self._upcoming) < LOOKAHEAD_STEPS:
            if sum(order.values()) > self.limit_bytes:
                break
            step = next(self._next_step)
            names = self._shards_of_step(step)
            if not names:
                self._shards_of_step = None
                break
            self._upcoming.append((step, names))
            order.update((name, self.shards[name].bytes) for name in sorted(names))
        return list(order)

    def _make_room(self, name: str, present: dict[str, int], order: list[str]) -> bool:
        """Remove what is needed later than `name` until it fits; say whether it does."""
        rank = {other: place for place, other in enumerate(order)}
        place = -1 if name in self._reading else rank[name]
        later = [
            other
            for other in present
            if other not in self._reading and rank.get(other, len(rank)) > place
        ]
        later.sort(key=lambda other: rank.get(other, len(rank)))
        room = self.limit_bytes - sum(present.values()) - self.shards[name].bytes
        if room + sum(present[other] for other in later) < 0:
            return False
        removed = False
        while room < 0:
            other = later.pop()
            (self.folder / other).unlink(missing_ok=True)
            room, removed = room + present[other], True
        if removed:
            self._on_change()
        return True

    def _present(self) -> dict[str, int]:
        """Return the sizes of the shards that are in the folder now, whoever fetched them."""
        return {
            name: shard.bytes
            for name, shard in self.shards.items()
            if (self.folder / name).exists()
        }


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
