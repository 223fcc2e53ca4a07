"""A size-limited cache that prefetches whole shards.

Schedules state which shards will be read next (`ShardCache.add_schedule`). The missing shard that
is needed first is fetched first, and the shard that is needed last is evicted first. One cache
serves all splits of a mirror; processes on one machine share the folder and its size limit
(`avsa.data.remote.shard_folder`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avsa.data.remote.shard_folder import Refusal, Reservation, ShardFolder
from avsa.data.remote.shard_order import Schedule, ShardOrder, ShardsOfStep
from yt360.errors import BadItem, UserError
from yt360.files import MACHINE_ERRORS

_POLL_S = 0.2
# Time in seconds that `close` waits for a fetch to end.
_CLOSE_WAIT_S = 2.0


@dataclass(frozen=True)
class RemoteShard:
    """A remote shard.

    Attributes:
        url: URL.
        bytes: Size in bytes.
        sha256: Checksum, hexadecimal.
    """

    url: str
    bytes: int
    sha256: str


class ShardCache:
    """The shards of a mirror, fetched before they are read.

    Args:
        folder: Folder of the shards.
        fetch: Copies a shard to a path atomically; setting the event cancels the copy. Raises
            OSError or BadItem.
    """

    def __init__(
        self,
        folder: ShardFolder,
        fetch: Callable[[RemoteShard, Path, threading.Event], None],
    ) -> None:
        self.folder, self._fetch = folder, fetch
        self.shards: dict[str, RemoteShard] = {}
        self.limit_bytes = 0
        # Guards the fields below; readers wait on it until their shards arrive.
        self._arrived = threading.Condition()
        self._order = ShardOrder()
        self._reading: Counter[str] = Counter()
        self._last_request: dict[str, int] = {}  # number of the last request for each shard
        self._num_requests = 0
        self._failed: dict[str, BadItem | OSError] = {}
        self._present: set[str] = set()
        self._on_removal: list[Callable[[], None]] = []
        self._wants_room = False
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()  # wakes the fetching thread
        self._closed = threading.Event()

    def register(
        self, shards: Mapping[str, RemoteShard], limit_bytes: int, on_removal: Callable[[], None]
    ) -> None:
        """Register a reader.

        Args:
            shards: All shards of the mirror, by name.
            limit_bytes: Maximum total size of shards in the folder; replaces the limit of earlier
                readers.
            on_removal: Called after shards were removed, to close open files.

        Raises:
            UserError: The limit is too small for two shards.
        """
        largest = max((shard.bytes for shard in shards.values()), default=0)
        if 2 * largest > limit_bytes:
            raise UserError(
                f"a cache of {limit_bytes / 1e9:.3g} GB cannot contain two shards of "
                f"{largest / 1e9:.3g} GB; set a larger --cache-gb",
                code="out-of-range",
                key="--cache-gb",
            )
        with self._arrived:
            self.shards, self.limit_bytes = self.shards | dict(shards), limit_bytes
            self._on_removal.append(on_removal)

    def unregister(self, on_removal: Callable[[], None]) -> bool:
        """Unregister a reader; close the cache and return True if it was the last one."""
        with self._arrived:
            if on_removal in self._on_removal:
                self._on_removal.remove(on_removal)
            last = not self._on_removal
        if last:
            self.close()
        return last

    def add_schedule(
        self, sizes: Mapping[str, int], shards_of_step: ShardsOfStep, first_step: int
    ) -> Schedule:
        """Prefetch the shards of a reader until `remove_schedule`.

        Args:
            sizes: Size in bytes of each shard, by name.
            shards_of_step: Returns the shards that a step reads; empty past the end.
            first_step: The first step.

        Raises:
            UserError: One step reads more shards than fit into the cache.
        """
        needed = shards_of_step(first_step)
        size = sum(sizes[name] for name in needed)
        if size > self.limit_bytes:
            raise UserError(
                f"one batch reads {len(needed)} shards ({size / 1e9:.3g} GB), but the cache holds "
                f"{self.limit_bytes / 1e9:.3g} GB; set sampling.window_shards (to 8, for example), "
                "or a larger --cache-gb",
                code="out-of-range",
                key="sampling.window_shards",
            )
        schedule = Schedule(sizes, shards_of_step, first_step)
        with self._arrived:
            self._order.add(schedule)
        self._start()
        return schedule

    def advance_to(self, schedule: Schedule, step: int) -> None:
        """Mark all steps of a schedule before this one as finished."""
        with self._arrived:
            self._order.advance_to(schedule, step)
        self._wake.set()

    def remove_schedule(self, schedule: Schedule) -> None:
        """Remove a schedule; its waiting reads raise UserError."""
        with self._arrived:
            self._order.remove(schedule)
            schedule.closed = True
            self._arrived.notify_all()
        self._wake.set()

    @contextmanager
    def reading(self, name: str, schedule: Schedule | None = None) -> Iterator[None]:
        """Wait until a shard is present, and keep it while the block runs.

        Args:
            name: Name of the shard.
            schedule: Schedule of the reader, if it has one.

        Raises:
            BadItem: ``"shard-unreadable"``: the shard cannot be fetched.
            OSError: An error of this machine, such as a full disk.
            UserError: The cache or the schedule was closed while waiting.
        """
        path = self.folder.root / name
        with self._arrived:
            self._reading[name] += 1
            self._num_requests += 1
            self._last_request[name] = self._num_requests
            self._failed.pop(name, None)
        try:
            if self._thread is None:
                self._start()
            if not path.exists():
                self._wait_for(name, schedule)
            yield
        finally:
            with self._arrived:
                self._order.mark_used(name)
                self._reading[name] -= 1
                if not self._reading[name]:
                    del self._reading[name]
            if self._wants_room:
                self._wake.set()

    def _wait_for(self, name: str, schedule: Schedule | None) -> None:
        self._wake.set()
        path = self.folder.root / name
        with self._arrived:
            while not path.exists():
                # Check this first, because closing makes fetches fail.
                if self._closed.is_set() or (schedule is not None and schedule.closed):
                    raise UserError(
                        f"the cache was closed while {path} was being fetched",
                        code="in-use",
                        key=path,
                    )
                if name in self._failed:
                    raise self._failed[name]
                self._arrived.wait(_POLL_S)

    def close(self) -> None:
        """Stop fetching and end all waiting reads; the shards remain for the next run."""
        with self._arrived:
            self._closed.set()
            self._arrived.notify_all()
            thread, self._thread = self._thread, None
        self._wake.set()
        if thread is not None:
            thread.join(_CLOSE_WAIT_S)

    def _start(self) -> None:
        self._wake.set()
        with self._arrived:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name="shards", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """Fetch shards until the cache is closed; pass errors to the waiting readers."""
        while not self._closed.is_set():
            self._wake.clear()
            num_requests = self._num_requests
            try:
                busy = self._fetch_next()
            except Exception as error:
                busy = False
                self._fail_waiting(
                    num_requests, _failure(error, f"{type(error).__name__}: {error}")
                )
            if not busy:
                self._wake.wait(_POLL_S)

    def _fetch_next(self) -> bool:
        """Fetch the missing shard that is needed first; return False if there is none."""
        self._extend_schedules()
        present = set(self.folder.present())
        self._update_present(present)
        with self._arrived:
            waiting = [name for name in self._reading if name not in present]
            upcoming = self._order.upcoming()
            candidates = [
                name
                for name in dict.fromkeys([*waiting, *upcoming])
                if name not in present and name not in self._failed
            ]
        for name in candidates:
            reserved = self._reserve(name, upcoming, present, urgent=name in waiting)
            if reserved is Refusal.NO_ROOM:
                return False
            if isinstance(reserved, Reservation):
                self._fetch_reserved(name, reserved)
                return True
        return False

    def _extend_schedules(self) -> None:
        """Extend the schedules as far as needed, without the lock because this takes time."""
        with self._arrived:
            schedules = self._order.schedules
        for schedule in schedules:
            while schedule.wants_more(self.limit_bytes) and not self._closed.is_set():
                step = schedule.next_step
                names = schedule.shards_of_step(step)
                with self._arrived:
                    schedule.add(step, names)

    def _update_present(self, present: set[str]) -> None:
        """Close shards that any process removed, since open memory maps keep them on disk."""
        with self._arrived:
            removed, self._present = self._present - present, present
            users = list(self._on_removal)
        for on_removal in users if removed else []:
            on_removal()

    def _reserve(
        self, name: str, upcoming: list[str], present: set[str], *, urgent: bool
    ) -> Reservation | Refusal:
        """Reserve a shard; shards that are needed later may be evicted."""
        sooner = set() if urgent else set(upcoming[: upcoming.index(name)])
        with self._arrived:
            self._wants_room = True
            later = [other for other in present - sooner if other not in self._reading]
            evictable = self._order.eviction_order(later, upcoming)
        removed: set[str] = set()

        def remove(other: str) -> bool:
            with self._arrived:
                if other in self._reading:
                    return False
                (self.folder.root / other).unlink(missing_ok=True)
            removed.add(other)
            return True

        size = self.shards[name].bytes
        reserved = self.folder.reserve(name, size, self.limit_bytes, evictable, remove)
        self._wants_room = reserved is Refusal.NO_ROOM
        self._update_present(present - removed)
        return reserved

    def _fetch_reserved(self, name: str, reservation: Reservation) -> None:
        """Fetch a shard, or pass the error to its readers."""
        shard = self.shards[name]
        failure = None
        try:
            self._fetch(shard, reservation.path, self._closed)
        except Exception as error:  # any error must reach the waiting readers
            known = isinstance(error, OSError | BadItem)
            text = str(error) if known else f"{shard.url}: {type(error).__name__}: {error}"
            failure = _failure(error, text)
        finally:
            reservation.release()
        with self._arrived:
            if failure is not None:
                self._failed[name] = failure
            self._arrived.notify_all()

    def _fail_waiting(self, num_requests: int, failure: BadItem | OSError) -> None:
        """Fail only the readers that were waiting when the fetch began."""
        with self._arrived:
            for name in self._reading:
                if (
                    self._last_request[name] <= num_requests
                    and not (self.folder.root / name).exists()
                ):
                    self._failed[name] = failure
            self._arrived.notify_all()


def _failure(error: Exception, text: str) -> BadItem | OSError:
    """Return the error for readers of a shard; a full disk is not a damaged dataset."""
    if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
        return error
    return BadItem("shard-unreadable", text)
