"""A size-limited folder of shards that are fetched whole, ahead of use.

The order of use is known (`ShardCache.follow`), so the next missing shard is always fetched first
and the one that is needed last makes room. One cache serves all splits of a mirror, and processes
on one machine share the folder and its limit (`avsa.data.remote.shard_folder`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avsa.data.remote.shard_folder import Claim, Refusal, ShardFolder
from avsa.data.remote.shard_order import Course, OrderOfUse, ShardsOfStep
from yt360.errors import BadItem, UserError
from yt360.files import MACHINE_TROUBLE

_POLL_S = 0.2
# Closing waits this long for a fetch to end; one that hangs is left to end by itself.
_CLOSE_WAIT_S = 2.0


@dataclass(frozen=True)
class RemoteShard:
    """A shard elsewhere.

    Attributes:
        url: Its address.
        bytes: Its size.
        sha256: Hex sum of its content.
    """

    url: str
    bytes: int
    sha256: str


class ShardCache:
    """Shards in the folders of a mirror, fetched when they are soon needed.

    Args:
        folder: Where the shards appear.
        fetch: Copies (shard, path, what ends the copy early) so that the path appears only when
            whole; raises OSError or BadItem.
    """

    def __init__(
        self,
        folder: ShardFolder,
        fetch: Callable[[RemoteShard, Path, threading.Event], None],
    ) -> None:
        self.folder, self._fetch = folder, fetch
        self.shards: dict[str, RemoteShard] = {}
        self.limit_bytes = 0
        # One lock for all that follows; readers wait on it for shards to arrive.
        self._arrived = threading.Condition()
        self._order = OrderOfUse()
        self._reading: Counter[str] = Counter()
        self._asked: dict[str, int] = {}  # when each shard was asked for last, by a count of asks
        self._asks = 0
        self._failed: dict[str, BadItem | OSError] = {}
        self._present: set[str] = set()
        self._on_removal: list[Callable[[], None]] = []
        self._wants_room = False
        self._thread: threading.Thread | None = None
        # What the fetching thread sleeps on, so that readers need not wake it for nothing.
        self._stir = threading.Event()
        self._closed = threading.Event()

    def join(
        self, shards: Mapping[str, RemoteShard], limit_bytes: int, on_removal: Callable[[], None]
    ) -> None:
        """Become a user.

        Args:
            shards: All shards of the mirror by name.
            limit_bytes: Most bytes of shards in the folder, for all users; the latest holds.
            on_removal: Called when shards have been removed: to close those that are open.

        Raises:
            UserError: The limit has no room for two shards.
        """
        largest = max((shard.bytes for shard in shards.values()), default=0)
        if 2 * largest > limit_bytes:
            raise UserError(
                f"a cache of {limit_bytes / 1e9:.3g} GB has no room for two shards of "
                f"{largest / 1e9:.3g} GB; set a larger --cache-gb"
            )
        with self._arrived:
            self.shards, self.limit_bytes = self.shards | dict(shards), limit_bytes
            self._on_removal.append(on_removal)

    def leave(self, on_removal: Callable[[], None]) -> bool:
        """Be a user no more; the last one closes the cache. Return whether it is closed."""
        with self._arrived:
            if on_removal in self._on_removal:
                self._on_removal.remove(on_removal)
            last = not self._on_removal
        if last:
            self.close()
        return last

    def follow(
        self, sizes: Mapping[str, int], shards_of_step: ShardsOfStep, first_step: int
    ) -> Course:
        """Fetch ahead what steps will use, from a step on, until `unfollow`.

        Args:
            sizes: Bytes of the shards among which the steps choose.
            shards_of_step: Shards that a step reads; none past the end.
            first_step: The first step.

        Raises:
            UserError: One step alone reads more shards than the cache holds.
        """
        needed = shards_of_step(first_step)
        size = sum(sizes[name] for name in needed)
        if size > self.limit_bytes:
            raise UserError(
                f"one batch reads {len(needed)} shards ({size / 1e9:.3g} GB), the cache holds "
                f"{self.limit_bytes / 1e9:.3g} GB; set sampling.window_shards (8, say), or "
                "a larger --cache-gb"
            )
        course = Course(sizes, shards_of_step, first_step)
        with self._arrived:
            self._order.begin(course)
        self._start()
        return course

    def at_step(self, course: Course, step: int) -> None:
        """Hear that all steps of a course before this one are done with."""
        with self._arrived:
            self._order.at_step(course, step)
        self._stir.set()

    def unfollow(self, course: Course) -> None:
        """Forget a course; those who wait for shards on its behalf are let go."""
        with self._arrived:
            self._order.end(course)
            course.closed = True
            self._arrived.notify_all()
        self._stir.set()

    @contextmanager
    def reading(self, name: str, course: Course | None = None) -> Iterator[None]:
        """Wait until a shard is there; this process keeps it while the block runs.

        Args:
            name: The shard.
            course: On whose behalf it is read, if any.

        Raises:
            BadItem: ``"shard-unreadable"`` when it cannot be fetched.
            OSError: The disk is full, or this machine has another trouble of its own.
            UserError: The cache or the course was closed while it was waited for.
        """
        path = self.folder.root / name
        with self._arrived:
            self._reading[name] += 1
            self._asks += 1
            self._asked[name] = self._asks
            self._failed.pop(name, None)
        try:
            if self._thread is None:
                self._start()
            if not path.exists():
                self._wait_for(name, course)
            yield
        finally:
            with self._arrived:
                self._order.used(name)
                self._reading[name] -= 1
                if not self._reading[name]:
                    del self._reading[name]
            if self._wants_room:
                self._stir.set()

    def _wait_for(self, name: str, course: Course | None) -> None:
        self._stir.set()
        path = self.folder.root / name
        with self._arrived:
            while not path.exists():
                # Asked first: closing makes fetches fail.
                if self._closed.is_set() or (course is not None and course.closed):
                    raise UserError(f"{path} was waited for when its cache was closed")
                if name in self._failed:
                    raise self._failed[name]
                self._arrived.wait(_POLL_S)

    def close(self) -> None:
        """Stop fetching and let go of all who wait; the shards stay for another run."""
        with self._arrived:
            self._closed.set()
            self._arrived.notify_all()
            thread, self._thread = self._thread, None
        self._stir.set()
        if thread is not None:
            thread.join(_CLOSE_WAIT_S)

    def _start(self) -> None:
        self._stir.set()
        with self._arrived:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name="shards", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """Fetch until the cache is closed. Whatever goes wrong is told to those who wait."""
        while not self._closed.is_set():
            self._stir.clear()
            asks = self._asks
            try:
                busy = self._fetch_next()
            except Exception as error:
                busy = False
                self._fail_waiting(asks, _failure(error, f"{type(error).__name__}: {error}"))
            if not busy:
                self._stir.wait(_POLL_S)

    def _fetch_next(self) -> bool:
        """Fetch the shard that is missed soonest; return False when there is nothing to do."""
        self._look_ahead()
        present = set(self.folder.present())
        self._note_present(present)
        with self._arrived:
            waiting = [name for name in self._reading if name not in present]
            upcoming = self._order.upcoming()
            candidates = [
                name
                for name in dict.fromkeys([*waiting, *upcoming])
                if name not in present and name not in self._failed
            ]
        for name in candidates:
            claim = self._claim(name, upcoming, present, urgent=name in waiting)
            if claim is Refusal.NO_ROOM:
                return False
            if isinstance(claim, Claim):
                self._bring(name, claim)
                return True
        return False

    def _look_ahead(self) -> None:
        """Learn of steps ahead as far as it matters; plans take their time, so not under lock."""
        with self._arrived:
            courses = self._order.courses
        for course in courses:
            while course.wants_more(self.limit_bytes) and not self._closed.is_set():
                step = course.next_step
                names = course.shards_of_step(step)
                with self._arrived:
                    course.add(step, names)

    def _note_present(self, present: set[str]) -> None:
        """Let go of shards that were removed, by whomever: maps would keep them on disk."""
        with self._arrived:
            removed, self._present = self._present - present, present
            users = list(self._on_removal)
        for let_go in users if removed else []:
            let_go()

    def _claim(
        self, name: str, upcoming: list[str], present: set[str], *, urgent: bool
    ) -> Claim | Refusal:
        """Claim a shard, at the expense of those that are needed later."""
        sooner = set() if urgent else set(upcoming[: upcoming.index(name)])
        with self._arrived:
            self._wants_room = True
            later = [other for other in present - sooner if other not in self._reading]
            first_to_go = self._order.first_to_go(later, upcoming)
        removed: set[str] = set()

        def remove(other: str) -> bool:
            with self._arrived:
                if other in self._reading:
                    return False
                (self.folder.root / other).unlink(missing_ok=True)
            removed.add(other)
            return True

        size = self.shards[name].bytes
        claim = self.folder.claim(name, size, self.limit_bytes, first_to_go, remove)
        self._wants_room = claim is Refusal.NO_ROOM
        self._note_present(present - removed)
        return claim

    def _bring(self, name: str, claim: Claim) -> None:
        """Fetch a shard, or note why it cannot be had."""
        shard = self.shards[name]
        failure = None
        try:
            self._fetch(shard, claim.path, self._closed)
        except Exception as error:  # whatever it is, who waits for the shard must hear of it
            known = isinstance(error, OSError | BadItem)
            text = str(error) if known else f"{shard.url}: {type(error).__name__}: {error}"
            failure = _failure(error, text)
        finally:
            claim.give_up()
        with self._arrived:
            if failure is not None:
                self._failed[name] = failure
            self._arrived.notify_all()

    def _fail_waiting(self, asks: int, failure: BadItem | OSError) -> None:
        """Tell those of the first `asks` who still wait; who asked later may have better luck."""
        with self._arrived:
            for name in self._reading:
                if self._asked[name] <= asks and not (self.folder.root / name).exists():
                    self._failed[name] = failure
            self._arrived.notify_all()


def _failure(error: Exception, text: str) -> BadItem | OSError:
    """Return what readers of a shard are told: no full disk may pass for a damaged dataset."""
    if isinstance(error, OSError) and error.errno in MACHINE_TROUBLE:
        return error
    return BadItem("shard-unreadable", text)
