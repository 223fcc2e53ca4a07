"""What a download run records about a video: its files, its failure, or when it is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from yt360.catalog import Catalog, Claim, ClaimLost, State
from yt360.crawl.download.bucket_media import remove_local
from yt360.crawl.download.fetch import Fetched
from yt360.crawl.download.report import RETRY
from yt360.crawl.download.run_state import RunState
from yt360.crawl.download.video_folder import video_folder
from yt360.crawl.failures import Failure, Kind
from yt360.crawl.rate_limit import RateLimiter

_MIN_ANNOUNCED_S, _MAX_ANNOUNCED_S = 6 * 3600.0, 7 * 86400.0
_NETWORK_REASONS = ("connection", "timeout")


class Settlement:
    """Ends claims with their results; all methods raise ClaimLost when the claim is lost.

    Args:
        catalog: A connection of this thread.
        state: State of the run.
        limiter: The rate limiter of this thread, which learns how the site answered.
        rng: Source of the jitter of delays.
    """

    def __init__(
        self, catalog: Catalog, state: RunState, limiter: RateLimiter, rng: random.Random
    ) -> None:
        self._catalog = catalog
        self._state = state
        self._config = state.config
        self._limiter = limiter
        self._rng = rng

    def store(
        self,
        claim: Claim,
        site: str,
        fetched: Fetched,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        """Store facts, files and the new state in one transaction.

        Args:
            claim: The claim.
            site: Site of the video.
            fetched: What was fetched.
            publish: Called in the transaction when the claim is known to be valid; puts the files
                into the folder of the video.
        """
        state: State = "wanted" if self._config.describe_only else "downloaded"
        folder = video_folder(claim.video_id)
        files = [replace(each, path=(folder / each.path).as_posix()) for each in fetched.files]
        with self._catalog.transaction():
            self._catalog.claims.renew(claim, self._config.lease_s)
            publish()
            is_in_bucket = bool(files) and self._catalog.media_url is not None
            if is_in_bucket:
                self._catalog.files.clear(claim.video_id)  # their objects were replaced
            self._catalog.videos.update_facts(claim.video_id, **fetched.facts)
            self._catalog.files.put(claim.video_id, *files)
            self._catalog.claims.finish(claim, state)
        if is_in_bucket:
            remove_local(self._catalog, claim.video_id)
        self._count(claim, state, size_bytes=sum(file.bytes for file in files))
        self._limiter.report_success(site)

    def fail(self, claim: Claim, site: str, failure: Failure, facts: Mapping[str, Any]) -> None:
        """Handle a failure by its kind.

        Args:
            claim: The claim.
            site: Site of the video.
            failure: The failure.
            facts: What the page says, as far as it was read.

        Raises:
            OSError: The failure is local, such as a full disk; the run must end.
        """
        kind, reason, detail = failure.kind, failure.reason, failure.detail
        if kind is Kind.LOCAL:
            with suppress(ClaimLost):
                self._catalog.claims.release(claim, reason)
            raise OSError(detail)
        if kind is Kind.SLOW_DOWN:
            self._limiter.slow_down(site, failure.retry_after_s)
            delay_s = self._limiter.pause_left_s(site)
            self.defer(claim, delay_s, reason, detail, facts, count_try=False)
            return
        if kind not in (Kind.REFUSED, Kind.BROKEN):
            self._limiter.report_success(site)
        elif self._limiter.report_error(site) and reason in _NETWORK_REASONS:
            # The network is down, which is no fault of the video, so the attempt does not count.
            delay_s = self._limiter.pause_left_s(site)
            self.defer(claim, delay_s, reason, detail, facts, count_try=False)
            return
        if kind in (Kind.GONE, Kind.NOT_HERE):
            self._finish(claim, "unavailable", reason, detail, facts)
        elif kind is Kind.UNSUITABLE:
            self._finish(claim, "rejected", reason, detail, facts)
        elif kind is Kind.LATER:
            # An announced video may come late, or earlier than announced.
            delay_s = min(max(_MIN_ANNOUNCED_S, failure.retry_after_s or 0.0), _MAX_ANNOUNCED_S)
            self.defer(claim, delay_s, reason, detail, facts, count_try=False)
        else:
            self.try_again(claim, failure, facts)

    def try_again(self, claim: Claim, failure: Failure, facts: Mapping[str, Any]) -> None:
        """Defer a video with a growing delay, or give it up after its last attempt."""
        reason, detail = failure.reason, failure.detail
        if self._config.retry.is_exhausted(claim.tries + 1):
            self._finish(claim, "failed", reason, detail, facts)
            return
        delay_s = self._config.retry.delay_s(
            claim.tries + 1, rng=self._rng, retry_after_s=failure.retry_after_s
        )
        self.defer(claim, delay_s, reason, detail, facts)

    def defer(
        self,
        claim: Claim,
        delay_s: float,
        reason: str,
        detail: str,
        facts: Mapping[str, Any],
        count_try: bool = True,
    ) -> None:
        """Put a video back into the queue, due after `delay_s` seconds."""
        with self._catalog.transaction():
            self._catalog.videos.update_facts(claim.video_id, **facts)
            self._catalog.claims.defer(claim, delay_s, reason, detail, count_try)
        self._count(claim, RETRY, reason)
        self._state.note_retry(claim.video_id, reason, detail, delay_s)
        if delay_s <= self._config.wait_s:  # this run tries it again
            self._state.return_turn()

    def give_up(self, claim: Claim) -> None:
        """Give up a video whose lease expired; another worker may have it. Never raises ClaimLost.

        Its turn is returned if no other worker has it.
        """
        try:
            self._catalog.claims.release(claim, "lease-ran-out")
        except ClaimLost:
            self._count(claim, "lost to another worker")
        else:
            self._count(claim, RETRY, "lease-ran-out")
            self._state.return_turn()

    def _finish(
        self, claim: Claim, state: State, reason: str, detail: str, facts: Mapping[str, Any]
    ) -> None:
        with self._catalog.transaction():
            self._catalog.videos.update_facts(claim.video_id, **facts)
            self._catalog.claims.finish(claim, state, reason, detail)
        self._count(claim, state, reason)

    def _count(self, claim: Claim, outcome: str, reason: str = "", size_bytes: int = 0) -> None:
        self._state.record(claim.video_id, outcome, reason, size_bytes)
