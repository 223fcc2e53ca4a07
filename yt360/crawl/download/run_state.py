"""The state that the workers of a download run share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.report import RETRY, Report
from yt360.crawl.rate_limit import Interrupted

POLL_S = 0.5
"""Interval in seconds at which waiting workers look whether the run is stopped."""


@dataclass
class RunState:
    """State that the workers of a run share."""

    config: DownloadConfig
    stop: threading.Event
    renewal: ClaimRenewal
    note: Callable[[str], None]
    finished: Callable[[str, str], None]
    report: Report = field(default_factory=Report)
    crash: BaseException | None = None
    _taken: int = 0
    _noted: set[str] = field(default_factory=set)  # reasons
    _slots: dict[str, threading.BoundedSemaphore] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end_early(self, reason: str) -> None:
        """Stop the run for a reason."""
        self.report.stopped = self.report.stopped or reason
        self.stop.set()

    def record(self, video_id: str, outcome: str, reason: str, size_bytes: int) -> None:
        """Count the outcome of a video."""
        with self._lock:
            self.report.add(video_id, outcome, reason, size_bytes)
            if outcome != RETRY:
                self.finished(video_id, outcome)

    def note_retry(self, video_id: str, reason: str, detail: str, delay_s: float) -> None:
        """Print why a video is tried again, and when; only for the first one of each reason."""
        with self._lock:
            if reason in self._noted:
                return
            self._noted.add(reason)
        when = "later by this run" if delay_s <= self.config.wait_s else "by another run"
        self.note(
            f"{video_id}: {reason}: {detail}; it is tried again {when}, in {delay_s:.0f} s or "
            "more. Further videos with this reason are only counted"
        )

    def take_turn(self) -> bool:
        """Count one more video against the limit; False when the limit is reached."""
        with self._lock:
            if self._taken == self.config.limit:
                return False
            self._taken += 1
            return True

    def return_turn(self) -> None:
        """Undo `take_turn`: no video was due, or the run tries it again."""
        with self._lock:
            self._taken -= 1

    @contextmanager
    def slot(self, site: str) -> Iterator[None]:
        """Hold one of the slots of a site; raises Interrupted while waiting for it."""
        with self._lock:
            size = self.config.per_site or self.config.workers
            slots = self._slots.setdefault(site, threading.BoundedSemaphore(size))
        while not slots.acquire(timeout=POLL_S):
            if self.stop.is_set():
                raise Interrupted
        try:
            yield
        finally:
            slots.release()
