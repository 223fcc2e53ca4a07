"""One worker of a download run: it claims a video, downloads it, and settles the result."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from yt360.catalog import Catalog, Claim, ClaimLost, Job, State
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.catalog.ids import AllowedSites
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.fetch import Fetched, Fetcher
from yt360.crawl.download.report import RETRY, Report
from yt360.crawl.download.video_folder import video_folder
from yt360.crawl.failures import Failure, Kind, Unsuitable
from yt360.crawl.rate_limit import Interrupted, RateLimiter, SiteRefuses, site_of
from yt360.errors import UserError
from yt360.locks import Locked

_POLL_S = 0.5
_MIN_ANNOUNCED_S, _MAX_ANNOUNCED_S = 6 * 3600.0, 7 * 86400.0
_NETWORK_REASONS = ("connection", "timeout")


@dataclass
class RunState:
    """State that the workers of a run share."""

    config: DownloadConfig
    stop: threading.Event
    renewal: ClaimRenewal
    note: Callable[[str], None]
    finished: Callable[[str, str], None]
    make_fetcher: Callable[..., Fetcher]
    report: Report = field(default_factory=Report)
    crash: BaseException | None = None
    _taken: int = 0
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
        while not slots.acquire(timeout=_POLL_S):
            if self.stop.is_set():
                raise Interrupted
        try:
            yield
        finally:
            slots.release()


class Worker:
    """Downloads videos, one at a time, in one thread.

    Args:
        catalog: A connection of this thread.
        state: Shared with the other workers.
        number: Number of this worker in the run.
    """

    def __init__(self, catalog: Catalog, state: RunState, number: int) -> None:
        self._catalog = catalog
        self._state = state
        self._config = config = state.config
        self._name = f"{socket.gethostname()}:{os.getpid()}:{number}"
        self._job: Job = "describe" if config.describe_only else "download"
        self._rng = random.Random(self._name)
        self._limiter = RateLimiter(catalog, config.rate_limit, state.stop, self._rng, state.note)
        max_rate = config.max_rate_bytes_per_s
        self._fetcher = state.make_fetcher(
            replace(config.client, max_rate_bytes_per_s=max_rate and max_rate / config.workers),
            config.selection,
            config.transfer,
            self._limiter,
            state.stop,
        )

    def step(self) -> bool:
        """Process one video, or wait briefly for one; return False if none is due in time.

        Raises:
            Interrupted: The run is being stopped.
            SiteRefuses: A site demands a longer pause than the run may wait.
            OSError: The disk is full or cannot be written.
        """
        self._fetcher.check_free_space(self._catalog.media)
        if not self._state.take_turn():
            return False
        claim = self._catalog.claims.take(self._job, self._name, self._config.lease_s)
        if claim is None:
            self._state.return_turn()
            return self._wait_for_work()
        try:
            with self._state.renewal.keep(claim):
                self._process(claim)
        except ClaimLost:
            self._give_up(claim)
        return True

    def _give_up(self, claim: Claim) -> None:
        """Give up a video whose lease expired; another worker may have it."""
        try:
            self._catalog.claims.release(claim, "lease-ran-out")
        except ClaimLost:
            self._count(claim, "lost to another worker")
        else:
            self._count(claim, RETRY, "lease-ran-out")
            self._state.return_turn()

    def _wait_for_work(self) -> bool:
        due_s = self._catalog.claims.next_due_s(self._job)
        if due_s is None or due_s > self._config.wait_s:
            return False
        self._limiter.sleep(min(due_s + 0.01, _POLL_S))
        return True

    def _process(self, claim: Claim) -> None:
        """Download a video and settle the result; raises as `step`, and ClaimLost."""
        site = site_of(claim.url)
        try:
            self._fetcher.reset()
            self._check_site(claim.url)
            self._limiter.wait_out_pause(site)
            with self._state.slot(site):
                fetched = self._fetch(claim)
            self._store(claim, fetched)
            self._limiter.report_success(site)
        except ClaimLost:
            raise
        except (Interrupted, SiteRefuses):
            with suppress(ClaimLost):
                self._catalog.claims.release(claim)
            raise
        except Locked as error:
            self._defer(claim, self._config.lease_s, "busy", str(error), count_try=False)
        except Exception as error:
            self._settle(claim, site, self._fetcher.failure(error), error)

    def _fetch(self, claim: Claim) -> Fetched:
        folder = self._catalog.media / video_folder(claim.video_id)
        if self._config.describe_only:
            return Fetched(self._fetcher.describe(claim.video_id, claim.url, folder), ())
        clips = self._catalog.clips.of(claim.video_id)
        return self._fetcher.fetch(
            claim.video_id,
            claim.url,
            folder,
            # Clips that an inspection chose come from the whole video and need no sections.
            [clip.start_s for clip in clips if clip.origin == "released"],
            check_claim=lambda: self._state.renewal.check(claim),
            before_download=lambda: self._delete_old_files(claim),
        )

    def _delete_old_files(self, claim: Claim) -> None:
        """Delete the files of an earlier download, since the video was queued to replace them.

        Files of a download that did not finish are not recorded, and are kept.
        """
        with self._catalog.transaction():
            self._catalog.claims.renew(claim, self._config.lease_s)  # raises if it is lost
            folder = self._catalog.media / video_folder(claim.video_id)
            for file in self._catalog.files.of(claim.video_id):
                (folder / Path(file.path).name).unlink(missing_ok=True)
            self._catalog.files.clear(claim.video_id)

    def _store(self, claim: Claim, fetched: Fetched) -> None:
        """Store facts, files and the new state in one transaction."""
        state: State = "wanted" if self._config.describe_only else "downloaded"
        folder = video_folder(claim.video_id)
        files = [replace(each, path=(folder / each.path).as_posix()) for each in fetched.files]
        with self._catalog.transaction():
            self._catalog.videos.update_facts(claim.video_id, **fetched.facts)
            self._catalog.files.put(claim.video_id, *files)
            self._catalog.claims.finish(claim, state)
        self._count(claim, state, size_bytes=sum(file.bytes for file in files))

    def _settle(self, claim: Claim, site: str, failure: Failure, error: Exception) -> None:
        """Handle a failure by its kind."""
        kind, reason, detail = failure.kind, failure.reason, failure.detail
        if kind is Kind.LOCAL:
            with suppress(ClaimLost):
                self._catalog.claims.release(claim, reason)
            raise OSError(detail) from error
        if kind is Kind.SLOW_DOWN:
            self._limiter.slow_down(site, failure.retry_after_s)
            self._defer(claim, self._limiter.pause_left_s(site), reason, detail, count_try=False)
            return
        if kind not in (Kind.REFUSED, Kind.BROKEN):
            self._limiter.report_success(site)
        elif self._limiter.report_error(site) and reason in _NETWORK_REASONS:
            # The network is down, which is no fault of the video, so the attempt does not count.
            self._defer(claim, self._limiter.pause_left_s(site), reason, detail, count_try=False)
            return
        if kind in (Kind.GONE, Kind.NOT_HERE):
            self._finish(claim, "unavailable", reason, detail)
        elif kind is Kind.UNSUITABLE:
            self._finish(claim, "rejected", reason, detail)
        elif kind is Kind.LATER:
            # An announced video may come late, or earlier than announced.
            delay_s = min(max(_MIN_ANNOUNCED_S, failure.retry_after_s or 0.0), _MAX_ANNOUNCED_S)
            self._defer(claim, delay_s, reason, detail, count_try=False)
        elif self._config.retry.is_exhausted(claim.tries + 1):
            self._finish(claim, "failed", reason, detail)
        else:
            delay_s = self._config.retry.delay_s(
                claim.tries + 1, rng=self._rng, retry_after_s=failure.retry_after_s
            )
            self._defer(claim, delay_s, reason, detail)

    def _finish(self, claim: Claim, state: State, reason: str, detail: str) -> None:
        with self._catalog.transaction():
            self._catalog.videos.update_facts(claim.video_id, **self._fetcher.facts())
            self._catalog.claims.finish(claim, state, reason, detail)
        self._count(claim, state, reason)

    def _defer(
        self, claim: Claim, delay_s: float, reason: str, detail: str, count_try: bool = True
    ) -> None:
        with self._catalog.transaction():
            self._catalog.videos.update_facts(claim.video_id, **self._fetcher.facts())
            self._catalog.claims.defer(claim, delay_s, reason, detail, count_try)
        self._count(claim, RETRY, reason)
        if delay_s <= self._config.wait_s:  # this run tries it again
            self._state.return_turn()

    def _check_site(self, url: str) -> None:
        try:
            AllowedSites(self._config.client.allow_urls).check(url)
        except UserError as error:
            raise Unsuitable("forbidden-site", str(error)) from error

    def _count(self, claim: Claim, outcome: str, reason: str = "", size_bytes: int = 0) -> None:
        self._state.record(claim.video_id, outcome, reason, size_bytes)
