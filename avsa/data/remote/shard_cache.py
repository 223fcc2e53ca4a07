"""A size-limited cache that prefetches whole shards.

Schedules state which shards will be read next. The missing shard that is needed first is fetched
first, and the shard that is needed last is evicted first. One cache serves all splits of a mirror;
processes on one machine share the folder and its size limit (`yt360.buckets.copy_folder`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from avsa.data.remote.fetching import RemoteFile
from avsa.data.remote.shard_order import Schedule
from yt360.buckets.copy_folder import (
    CopyFolder,
    NoRoomError,
    Present,
    TakenError,
    lock_for_reading,
    release,
)
from yt360.errors import BadItem, UserError
from yt360.files import MACHINE_ERRORS

_POLL_S = 0.2
# Time in seconds that `close` waits for a fetch to end.
_CLOSE_WAIT_S = 2.0


class _Request(Future[int]):
    """A reader that waits for a shard, and is given it locked (`lock_for_reading`)."""

    def __init__(self, name: str, schedule: Schedule | None) -> None:
        super().__init__()
        self.name, self.schedule = name, schedule


class ShardCache:
    """The shards of a mirror, fetched before they are read.

    Args:
        root: Folder of the mirror.
        fetch: Writes a shard to a file; setting the event cancels it.
    """

    def __init__(
        self, root: Path, fetch: Callable[[RemoteFile, IO[bytes], threading.Event], None]
    ) -> None:
        self.root, self._fetch = root, fetch
        self._folder = CopyFolder(root, levels=1, suffix=".tar")
        self.shards: dict[str, RemoteFile] = {}
        self.limit_bytes = 0
        self._users: set[object] = set()
        self._lock = threading.RLock()  # guards the fields up to the next blank line
        self._schedules: list[Schedule] = []  # of the reader that advanced last, first
        self._requests: list[_Request] = []
        self._failed: set[str] = set()  # not prefetched again, only on request
        self._thread: threading.Thread | None = None

        self._wants_room = False
        self._wake = threading.Event()  # wakes the fetching thread
        self._closed = threading.Event()

    def register(self, user: object, shards: Mapping[str, RemoteFile], limit_bytes: int) -> None:
        """Register a user, for whom the cache stays open.

        Args:
            user: The user.
            shards: All shards of the mirror, by name.
            limit_bytes: Maximum total size of shards in the folder; replaces earlier limits.

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
        self.shards, self.limit_bytes = self.shards | dict(shards), limit_bytes
        self._users.add(user)

    def unregister(self, user: object) -> bool:
        """Unregister a user; close the cache and return True if there is no other one."""
        self._users.discard(user)
        if not self._users:
            self.close()
        return not self._users

    def add_schedule(self, schedule: Schedule, needed: Iterable[str]) -> None:
        """Prefetch the shards of a reader until `remove_schedule`.

        Args:
            schedule: The shards.
            needed: Those of its first step.

        Raises:
            UserError: They do not fit into the cache.
        """
        sizes = [self.shards[name].bytes for name in needed]
        if sum(sizes) > self.limit_bytes:
            raise UserError(
                f"one batch reads {len(sizes)} shards ({sum(sizes) / 1e9:.3g} GB), but the cache "
                f"holds {self.limit_bytes / 1e9:.3g} GB; set sampling.window_shards (to 8, for "
                "example), or a larger --cache-gb",
                code="out-of-range",
                key="sampling.window_shards",
            )
        self.advance_to(schedule, schedule.step)
        self._start()

    def advance_to(self, schedule: Schedule, step: int) -> None:
        """Mark all steps of a schedule before this one as finished.

        Its shards then come before those of other schedules: training waits during validation.
        """
        schedule.step = step
        with self._lock:
            self._schedules = [schedule, *(each for each in self._schedules if each != schedule)]
        self._wake.set()

    def remove_schedule(self, schedule: Schedule) -> None:
        """Remove a schedule; its waiting reads raise UserError."""
        with self._lock:
            schedule.closed = True
            self._schedules = [each for each in self._schedules if each != schedule]
            self._refuse(lambda each: each.schedule is schedule, self._closed_error())
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
        lock = lock_for_reading(self.root / name)
        if lock is None:
            lock = self._request(name, schedule).result()
        try:
            yield
        finally:
            release(lock)
            if self._wants_room:
                self._wake.set()

    def close(self) -> None:
        """Stop fetching and end all waiting reads; the shards remain for the next run."""
        with self._lock:
            self._closed.set()
            # Before the fetch that is cancelled fails.
            self._refuse(lambda _: True, self._closed_error())
            thread, self._thread = self._thread, None
        self._wake.set()
        if thread is not None:
            thread.join(_CLOSE_WAIT_S)

    def _request(self, name: str, schedule: Schedule | None) -> _Request:
        request = _Request(name, schedule)
        with self._lock:
            if self._closed.is_set() or (schedule is not None and schedule.closed):
                raise self._closed_error()
            self._requests = [*self._requests, request]
            self._failed.discard(name)
        self._start()
        return request

    def _answer(self) -> None:
        """Give the shards that are present to their readers."""
        with self._lock:
            for request in self._requests:
                lock = lock_for_reading(self.root / request.name)
                if lock is not None:
                    request.set_result(lock)
            self._requests = [each for each in self._requests if not each.done()]

    def _refuse(self, is_meant: Callable[[_Request], bool], error: Exception) -> None:
        """Raise an error in some of the waiting readers."""
        with self._lock:
            for request in filter(is_meant, self._requests):
                request.set_exception(error)
            self._requests = [each for each in self._requests if not each.done()]

    def _closed_error(self) -> UserError:
        return UserError(
            f"{self.root} was closed while its shards were being fetched",
            code="in-use",
            key=self.root,
        )

    def _start(self) -> None:
        self._wake.set()
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name="shards", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """Fetch shards until the cache is closed; pass errors to the waiting readers."""
        while not self._closed.is_set():
            self._wake.clear()
            waiting = self._requests
            try:
                is_busy = self._fetch_next()
            except Exception as error:  # of the order or of the folder; later readers try again
                is_busy = False
                self._refuse(waiting.__contains__, _failure(error))
            if not is_busy:
                self._wake.wait(_POLL_S)

    def _fetch_next(self) -> bool:
        """Fetch the missing shard that is needed first; return False if there is none."""
        upcoming = self._look_ahead()
        self._answer()
        urgent = [each.name for each in self._requests]
        prefetched = [name for name in upcoming if name not in self._failed]
        present = self._folder.present()
        self._wants_room = False
        for name in dict.fromkeys([*urgent, *prefetched]):
            if name not in present:
                sooner = [] if name in urgent else upcoming[: upcoming.index(name)]
                try:
                    self._fetch_shard(name, _evictable(present, sooner, upcoming))
                except TakenError:
                    continue
                except NoRoomError:
                    self._wants_room = True
                    return False
                return True
        return False

    def _fetch_shard(self, name: str, evictable: list[str]) -> None:
        """Fetch a shard, or pass the error to its readers."""
        shard = self.shards[name]
        try:
            with self._folder.reserved(name, shard.bytes, self.limit_bytes, evictable) as file:
                self._fetch(shard, file, self._closed)
        except (TakenError, NoRoomError):
            raise
        except Exception as error:  # any error must reach the waiting readers
            self._failed.add(name)
            self._refuse(lambda each: each.name == name, _failure(error))

    def _look_ahead(self) -> list[str]:
        """Return the shards that will be read, next one first."""
        upcoming: dict[str, None] = {}
        for schedule in self._schedules:
            upcoming |= dict.fromkeys(schedule.upcoming(self.limit_bytes))
        return list(upcoming)


def _evictable(
    present: Mapping[str, Present], sooner: Iterable[str], upcoming: list[str]
) -> list[str]:
    """Return the shards that may be evicted, in this order.

    Those without a known use come first, the least recently read one in front; then those that
    will be read last.
    """
    place = {name: number for number, name in enumerate(upcoming)}
    return sorted(
        present.keys() - sooner,
        key=lambda name: (-place.get(name, len(upcoming)), present[name].last_read_ns, name),
    )


def _failure(error: Exception) -> BadItem | OSError:
    """Return the error for readers of a shard; a full disk is not a damaged dataset."""
    if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
        return error
    is_known = isinstance(error, OSError | BadItem | UserError)
    return BadItem("shard-unreadable", f"{'' if is_known else f'{type(error).__name__}: '}{error}")
