"""Options of a download run."""

from __future__ import annotations

from dataclasses import dataclass, field

from yt360.catalog.claim_renewal import MAX_LEASE_S
from yt360.crawl.download.fetch import TransferOptions
from yt360.crawl.download.plan import Selection
from yt360.crawl.rate_limit import RateLimitConfig
from yt360.crawl.validation import check_number
from yt360.crawl.youtube.client import ClientOptions
from yt360.errors import UserError


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """How a run works.

    Attributes:
        workers: Videos that are fetched at the same time by this process.
        per_site: At most so many of them from one site; None for no further limit.
        lease_s: A worker that is silent for so long has lost its video; at most a day.
        max_attempts: A video that failed so often is given up (``--retry failed`` revives it).
        retry_first_s: Pause before a video is tried again; it doubles with each try.
        retry_longest_s: Where the doubling ends.
        wait_s: The run stays alive for videos that are due again within this time.
        describe_only: Only ask for the pages and judge them; fetch no media.
        limit: Settle at most so many videos; None for all. Those that this run tries again do not
            count.
        rate_limit_bytes_per_s: Cap of the whole run, shared by its workers; None for no cap.
    """

    workers: int = 4
    per_site: int | None = None
    lease_s: float = 120.0
    max_attempts: int = 5
    retry_first_s: float = 60.0
    retry_longest_s: float = 3600.0
    wait_s: float = 900.0
    describe_only: bool = False
    limit: int | None = None
    rate_limit_bytes_per_s: float | None = None
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    client: ClientOptions = field(default_factory=ClientOptions)
    selection: Selection = field(default_factory=Selection)
    transfer: TransferOptions = field(default_factory=TransferOptions)

    def __post_init__(self) -> None:
        for name in ("workers", "max_attempts", "per_site", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} of {value} is below 1")
        for name in ("retry_first_s", "retry_longest_s", "wait_s"):
            check_number(name, getattr(self, name))
        for name in ("lease_s", "rate_limit_bytes_per_s"):
            value = getattr(self, name)
            if value is not None:
                check_number(name, value, above_zero=True)
        if self.lease_s > MAX_LEASE_S:
            raise UserError(f"lease_s of {self.lease_s} is above {MAX_LEASE_S}: a day")
