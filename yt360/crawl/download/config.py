"""The options of a download run."""

from __future__ import annotations

from dataclasses import dataclass, field

from yt360.catalog.claim_renewal import MAX_LEASE_S
from yt360.crawl.download.plan import Selection
from yt360.crawl.rate_limit import RateLimitConfig
from yt360.crawl.validation import check_number
from yt360.crawl.youtube.options import ClientOptions
from yt360.errors import UserError
from yt360.retry import RetryPolicy

CONNECTION_RETRY = RetryPolicy(max_attempts=6, first_delay_s=1.0)
VIDEO_RETRY = RetryPolicy(max_attempts=5, first_delay_s=60.0, max_delay_s=3600.0, jitter=0.5)


@dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """Limits on the transfer of one file.

    Attributes:
        retry: Retries of a broken connection within one attempt at a video.
        min_rate_bytes_per_s: A transfer that stays below this rate over `slow_window_s` fails.
        slow_window_s: Length of the window in which the rate is measured.
        min_free_bytes: Disk space that must stay free.
    """

    retry: RetryPolicy = CONNECTION_RETRY
    min_rate_bytes_per_s: float = 10_000.0
    slow_window_s: float = 30.0
    min_free_bytes: float = 5e9

    def __post_init__(self) -> None:
        for name in ("min_rate_bytes_per_s", "min_free_bytes"):
            check_number(name, getattr(self, name))
        check_number("slow_window_s", self.slow_window_s, above_zero=True)


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """The options of a download run.

    Attributes:
        workers: Number of videos that are downloaded at the same time by this process.
        per_site: Maximum number of them from one site; None for no limit.
        lease_s: A worker loses its video when it does not renew its claim for so long; at most a
            day.
        retry: Attempts per video, and the delays between them.
        wait_s: The run waits for videos that are due again within this time.
        describe_only: Only request and check the pages; download no media.
        limit: Maximum number of videos to settle; None for all. Videos that this run tries again
            do not count.
        max_rate_bytes_per_s: Bandwidth limit of the whole run; None for no limit.
    """

    workers: int = 4
    per_site: int | None = None
    lease_s: float = 120.0
    retry: RetryPolicy = VIDEO_RETRY
    wait_s: float = 900.0
    describe_only: bool = False
    limit: int | None = None
    max_rate_bytes_per_s: float | None = None
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    client: ClientOptions = field(default_factory=ClientOptions)
    selection: Selection = field(default_factory=Selection)
    transfer: TransferOptions = field(default_factory=TransferOptions)

    def __post_init__(self) -> None:
        check_number("wait_s", self.wait_s)
        positive = {
            name: getattr(self, name)
            for name in ("workers", "per_site", "limit", "lease_s", "max_rate_bytes_per_s")
        }
        for name, value in {**positive, "max_attempts": self.retry.max_attempts}.items():
            if value is not None:
                check_number(name, value, above_zero=True)
        if self.lease_s > MAX_LEASE_S:
            message = f"lease_s of {self.lease_s} is above {MAX_LEASE_S}, a day"
            raise UserError(message, "out-of-range", "lease_s")
