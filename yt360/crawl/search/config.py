"""The options of a search run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from yt360.config import config_class
from yt360.crawl.rate_limit import RateLimitConfig
from yt360.crawl.search.filters import Filters
from yt360.crawl.youtube.options import ClientOptions
from yt360.retry import RetryPolicy

PAGE_RETRY = RetryPolicy(max_attempts=4, first_delay_s=30.0)


@config_class
class SearchConfig:
    """The options of a search run."""

    filters: Filters = Filters()
    """Filters of videos."""
    max_pages: Annotated[int, Field(ge=1)] = 30
    """Maximum number of pages of each listing (about 20 videos each). `Listings.reopen_short`
    continues listings that an earlier run ended at fewer."""
    lease_s: Annotated[float, Field(gt=0)] = 300.0
    """Time after which a claim that is not renewed expires."""
    retry: RetryPolicy = PAGE_RETRY
    """Attempts per page, and the delays between them."""
    wait_s: Annotated[float, Field(ge=0)] = 900.0
    """The run waits for listings that are due again within this time."""
    rate_limit: RateLimitConfig = RateLimitConfig()
    """Limits on requests to one site."""
    client: ClientOptions = ClientOptions()
    """Options of the yt-dlp client."""
