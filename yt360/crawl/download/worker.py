"""One worker of a download run: it takes a video, fetches it, and settles what came of it."""

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
from yt360.crawl.download.transfer_monitor import check_room
from yt360.crawl.failures import Failure, Kind, Unsuitable
from yt360.crawl.rate_limit import Interrupted, RateLimiter, SiteRefuses, site_of
from yt360.crawl.youtube.client import YoutubeClient
from yt360.errors import UserError
from yt360.locks import Locked

_POLL_S = 0.5
_LATER_S, _LATEST_S = 6 * 3600.0, 7 * 86400.0
_NETWORK_REASONS = ("connection", "timeout")


@dataclass
class RunState:
    """What the workers of one run share."""

    config: DownloadConfig
    stop: threading.Event
    renewal: ClaimRenewal
    note: Callable[[str], None]
    finished: Callable[[str, str], None]
    make_client: Callable[..., YoutubeClient]
    report: Report = field(default_factory=Report)
    crash: BaseException | None = None
    _taken: int = 0
    _slots: dict[str, threading.BoundedSemaphore] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end_early(self, why: str) -> None:
        """Stop the run, and say why."""
        self.report.stopped = self.report.stopped or why
        self.stop.set()

    def record(self, video_id: str, outcome: str, reason: str, size_bytes: int) -> None:
        """Count what came of a video."""
        with self._lock:
            self.report.add(video_id, outcome, reason, size_bytes)
            if outcome != RETRY:
                self.finished(video_id, outcome)

    def take_turn(self) -> bool:
        """Count one more video against the limit; False when it is reached."""
        with self._lock:
            if self._taken == self.config.limit:
                return False
            self._taken += 1
            return True

    def return_turn(self) -> None:
        """Undo `take_turn`: nothing was due, or it will be tried again."""
        with self._lock:
            self._taken -= 1

    @contextmanager
    def slot(self, site: str) -> Iterator[None]:
        """Hold one of the places for work on a site; raises Interrupted while waiting for it."""
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
    """Works through videos, one at a time, in one thread.

    Args:
        catalog: A connection of this thread.
        state: Shared with the other workers.
        number: Tells this worker from its neighbours.
    """

    def __init__(self, catalog: Catalog, state: RunState, number: int) -> None:
        self._catalog = catalog
        self._state = state
        self._config = config = state.config
        self._name = f"{socket.gethostname()}:{os.getpid()}:{number}"
        self._job: Job = "describe" if config.describe_only else "download"
        self._rng = random.Random(self._name)
        self._limiter = RateLimiter(catalog, config.rate_limit, state.stop, self._rng, state.note)
        self._fetcher = Fetcher(
            replace(config.client, rate_limit_bytes_per_s=self._own_rate()),
            config.selection,
            config.transfer,
            self._limiter,
            state.stop,
            state.make_client,
        )

    def step(self) -> bool:
        """Work on one video, or wait a moment for one; return False when there is no more to do.

        Raises:
            Interrupted: The run is being stopped.
            SiteRefuses: A site demands a longer pause than the run may wait.
            OSError: The disk is full or cannot be written.
        """
        check_room(self._catalog.media, self._config.transfer.min_free_bytes)
        if not self._state.take_turn():
            return False
        claim = self._catalog.claims.take(self._job, self._name, self._config.lease_s)
        if claim is None:
            self._state.return_turn()
            return self._wait_for_work()
        try:
            with self._state.renewal.keep(claim):
                self._work_on(claim)
        except ClaimLost:
            self._leave(claim)
        return True

    def _leave(self, claim: Claim) -> None:
        """Leave a video whose lease ran out to the worker that has it now, or else to the next."""
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

    def _work_on(self, claim: Claim) -> None:
        """Fetch a video and settle what came of it; raises as `step`, and ClaimLost anywhere."""
        site = site_of(claim.url)
        try:
            self._fetcher.forget()
            self._check_site(claim.url)
            self._limiter.wait_out_pause(site)
            with self._state.slot(site):
                fetched = self._fetch(claim)
            self._store(claim, fetched)
            self._limiter.success(site)
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
        folder = self._catalog.media / media_folder(claim.video_id)
        if self._config.describe_only:
            return Fetched(self._fetcher.describe(claim.video_id, claim.url, folder), ())
        clips = self._catalog.clips.of(claim.video_id)
        return self._fetcher.fetch(
            claim.video_id,
            claim.url,
            folder,
            # Clips of our own are no more than what an inspection of the whole video found.
            [clip.start_s for clip in clips if clip.origin == "released"],
            still_ours=lambda: self._state.renewal.check(claim),
            make_way=lambda: self._remove_old_files(claim),
        )

    def _remove_old_files(self, claim: Claim) -> None:
        """Remove what an earlier download gave: whoever queued the video again wants it anew.

        The files of a download that did not come to its end are not recorded, and stay.
        """
        with self._catalog.transaction():
            self._catalog.claims.renew(claim, self._config.lease_s)  # it may be lost meanwhile
            folder = self._catalog.media / media_folder(claim.video_id)
            for file in self._catalog.files.of(claim.video_id):
                (folder / Path(file.path).name).unlink(missing_ok=True)
            self._catalog.files.clear(claim.video_id)

    def _store(self, claim: Claim, fetched: Fetched) -> None:
        """Record a success: facts, files and the new state, all or nothing."""
        state: State = "wanted" if self._config.describe_only else "downloaded"
        with self._catalog.transaction():
            self._catalog.videos.update_facts(claim.video_id, **fetched.facts)
            for file in fetched.files:
                path = media_folder(claim.video_id) / file.path
                self._catalog.files.put(claim.video_id, replace(file, path=path.as_posix()))
            self._catalog.claims.finish(claim, state)
        self._count(claim, state, size_bytes=sum(file.bytes for file in fetched.files))

    def _settle(self, claim: Claim, site: str, failure: Failure, error: Exception) -> None:
        """Record a failure as its kind demands."""
        reason, detail = failure.reason, failure.detail
        if failure.kind is Kind.LOCAL:
            with suppress(ClaimLost):
                self._catalog.claims.release(claim, reason)
            raise OSError(detail) from error
        if failure.kind is Kind.SLOW_DOWN:
            self._limiter.slow_down(site, failure.retry_after_s)
            self._defer(claim, self._limiter.pause_left_s(site), reason, detail, count_try=False)
            return
        if failure.kind not in (Kind.REFUSED, Kind.BROKEN):
            self._limiter.success(site)
        elif self._limiter.trouble(site) and reason in _NETWORK_REASONS:
            # It is our network rather than this video, which must not lose its tries by it.
            self._defer(claim, self._limiter.pause_left_s(site), reason, detail, count_try=False)
            return
        self._settle_for_good_or_retry(claim, failure)

    def _settle_for_good_or_retry(self, claim: Claim, failure: Failure) -> None:
        reason, detail = failure.reason, failure.detail
        if failure.kind in (Kind.GONE, Kind.NOT_HERE):
            self._finish(claim, "unavailable", reason, detail)
        elif failure.kind is Kind.UNSUITABLE:
            self._finish(claim, "rejected", reason, detail)
        elif failure.kind is Kind.LATER:
            self._defer(claim, _later_s(failure), reason, detail, count_try=False)
        elif claim.tries + 1 >= self._config.max_attempts:
            self._finish(claim, "failed", reason, detail)
        else:
            self._defer(claim, self._delay_s(claim, failure), reason, detail)

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

    def _delay_s(self, claim: Claim, failure: Failure) -> float:
        delay = min(
            self._config.retry_first_s * 2.0 ** min(claim.tries, 30),
            self._config.retry_longest_s,
        )
        return max(delay * (1.0 + 0.5 * self._rng.random()), failure.retry_after_s or 0.0)

    def _check_site(self, url: str) -> None:
        try:
            AllowedSites(self._config.client.allow_urls).check(url)
        except UserError as error:
            raise Unsuitable("forbidden-site", str(error)) from error

    def _count(self, claim: Claim, outcome: str, reason: str = "", size_bytes: int = 0) -> None:
        self._state.record(claim.video_id, outcome, reason, size_bytes)

    def _own_rate(self) -> float | None:
        """Return this worker's share of the whole run's rate limit."""
        rate = self._config.rate_limit_bytes_per_s
        return None if rate is None else rate / self._config.workers


def _later_s(failure: Failure) -> float:
    """Return when to ask again for what is announced: it may come late, or be brought forward."""
    return min(max(_LATER_S, failure.retry_after_s or 0.0), _LATEST_S)


def media_folder(video_id: str) -> Path:
    """Return a video's folder within the media folder; 4,096 folders share a million videos."""
    return Path(video_id[:2]) / video_id
