"""The options of a search run."""

from __future__ import annotations

from dataclasses import dataclass, field

from yt360.crawl.rate_limit import RateLimitConfig
from yt360.crawl.search.filters import Filters
from yt360.crawl.validation import check_number
from yt360.crawl.youtube.options import ClientOptions
from yt360.retry import RetryPolicy

PAGE_RETRY = RetryPolicy(max_attempts=4, first_delay_s=30.0)


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The options of a search run.

    Attributes:
        filters: Filters of videos.
        max_pages: Maximum number of pages of each listing (about 20 videos each).
            `Listings.reopen_short` continues listings that an earlier run ended at fewer.
        lease_s: A worker that does not renew its claim for so long loses its listing.
        retry: Attempts per page, and the delays between them.
        wait_s: The run waits for listings that are due again within this time.
    """

    filters: Filters = field(default_factory=Filters)
    max_pages: int = 30
    lease_s: float = 300.0
    retry: RetryPolicy = PAGE_RETRY
    wait_s: float = 900.0
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    client: ClientOptions = field(default_factory=ClientOptions)

    def __post_init__(self) -> None:
        check_number("max_pages", self.max_pages, above_zero=True)
        check_number("max_attempts", self.retry.max_attempts, above_zero=True)
