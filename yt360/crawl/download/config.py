"""The options of a download run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from yt360.catalog.claim_renewal import MAX_LEASE_S
from yt360.config import config_class
from yt360.crawl.download.plan import Selection
from yt360.crawl.rate_limit import RateLimitConfig
from yt360.crawl.youtube.options import ClientOptions
from yt360.retry import RetryPolicy

CONNECTION_RETRY = RetryPolicy(max_attempts=6, first_delay_s=1.0)
VIDEO_RETRY = RetryPolicy(max_attempts=5, first_delay_s=60.0, max_delay_s=3600.0, jitter=0.5)


@config_class
class TransferOptions:
    """Limits on the transfer of one file."""

    retry: RetryPolicy = CONNECTION_RETRY
    """Retries of a broken connection within one attempt at a video."""
    min_rate_bytes_per_s: Annotated[float, Field(ge=0)] = 10_000.0
    """A transfer that stays below this rate over `slow_window_s` fails."""
    slow_window_s: Annotated[float, Field(gt=0)] = 30.0
    """Length of the window in which the rate is measured."""
    min_free_bytes: Annotated[float, Field(ge=0)] = 5e9
    """Disk space that must stay free."""


@config_class
class DownloadConfig:
    """The options of a download run."""

    workers: Annotated[int, Field(ge=1)] = 4
    """Number of videos that are downloaded at the same time by this process."""
    per_site: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of them from one site; None for no limit."""
    lease_s: Annotated[float, Field(gt=0, le=MAX_LEASE_S)] = 120.0
    """Time after which a claim that is not renewed expires."""
    retry: RetryPolicy = VIDEO_RETRY
    """Attempts per video, and the delays between them."""
    wait_s: Annotated[float, Field(ge=0)] = 900.0
    """The run waits for videos that are due again within this time."""
    describe_only: bool = False
    """Only request and check the pages; download no media."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of videos to settle; None for all. Videos that this run tries again do not
    count."""
    max_rate_bytes_per_s: Annotated[float, Field(gt=0)] | None = None
    """Bandwidth limit of the whole run; None for no limit."""
    rate_limit: RateLimitConfig = RateLimitConfig()
    """Limits on requests to one site."""
    client: ClientOptions = ClientOptions()
    """Options of the yt-dlp client."""
    selection: Selection = Selection()
    """Which videos, streams and sections are downloaded."""
    transfer: TransferOptions = TransferOptions()
    """Limits on the transfer of one file."""

    @property
    def worker_client(self) -> ClientOptions:
        """Options of the client of one worker, which has its part of the bandwidth."""
        whole = self.max_rate_bytes_per_s
        return replace(self.client, max_rate_bytes_per_s=whole and whole / self.workers)
