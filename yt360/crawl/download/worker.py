"""One worker of a download run: it claims a video, downloads it, and settles the result."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from yt360.catalog import Catalog, Claim, ClaimLost, Job
from yt360.crawl.download.bucket_media import upload
from yt360.crawl.download.fetch import Fetched, Fetcher
from yt360.crawl.download.run_state import POLL_S, RunState
from yt360.crawl.download.settlement import Settlement
from yt360.crawl.download.video_folder import video_folder
from yt360.crawl.rate_limit import Interrupted, RateLimiter, SiteRefuses, site_of
from yt360.locks import Locked


class Worker:
    """Downloads videos, one at a time, in one thread.

    Args:
        catalog: A connection of this thread.
        state: Shared with the other workers.
        number: Number of this worker in the run.
        make_fetcher: Creates its `Fetcher`.
    """

    def __init__(
        self,
        catalog: Catalog,
        state: RunState,
        number: int,
        make_fetcher: Callable[..., Fetcher] = Fetcher,
    ) -> None:
        self._catalog = catalog
        self._state = state
        self._config = config = state.config
        self._name = f"{socket.gethostname()}:{os.getpid()}:{number}"
        self._job: Job = "describe" if config.describe_only else "download"
        rng = random.Random(self._name)
        self._limiter = RateLimiter(catalog, config.rate_limit, state.stop, rng, state.note)
        self._settlement = Settlement(catalog, state, self._limiter, rng)
        self._fetcher = make_fetcher(
            config.worker_client,
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
        self._fetcher.check_free_space(self._catalog.incoming)
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
            self._settlement.give_up(claim)
        return True

    def _wait_for_work(self) -> bool:
        due_s = self._catalog.claims.next_due_s(self._job)
        if due_s is None or due_s > self._config.wait_s:
            return False
        self._limiter.sleep(min(due_s + 0.01, POLL_S))
        return True

    def _process(self, claim: Claim) -> None:
        """Download a video and settle the result; raises as `step`, and ClaimLost."""
        site = site_of(claim.url)
        try:
            self._fetcher.reset()
            self._fetcher.check_site(claim.url)
            self._limiter.wait_out_pause(site)
            with self._state.slot(site):
                fetched = self._fetch(claim)
            self._settlement.store(claim, site, fetched)
        except ClaimLost:
            raise
        except (Interrupted, SiteRefuses):
            with suppress(ClaimLost):
                self._catalog.claims.release(claim)
            raise
        except Locked as error:
            facts, delay_s = self._fetcher.facts(), self._config.lease_s
            self._settlement.defer(claim, delay_s, "busy", str(error), facts, count_try=False)
        except Exception as error:
            failure = self._fetcher.failure(error)
            self._settlement.fail(claim, site, failure, self._fetcher.facts())

    def _fetch(self, claim: Claim) -> Fetched:
        folder = self._catalog.incoming / video_folder(claim.video_id)
        if self._config.describe_only:
            return Fetched(self._fetcher.describe(claim.video_id, claim.url, folder), ())
        clips = self._catalog.clips.of(claim.video_id)

        def check_claim() -> None:
            self._state.renewal.check(claim)

        fetched = self._fetcher.fetch(
            claim.video_id,
            claim.url,
            folder,
            # Clips that an inspection chose come from the whole video and need no sections.
            [clip.start_s for clip in clips if clip.origin == "released"],
            check_claim=check_claim,
            before_download=lambda: self._delete_old_files(claim),
        )
        upload(self._catalog.media_url, claim.video_id, folder, fetched, check_claim)
        return fetched

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
