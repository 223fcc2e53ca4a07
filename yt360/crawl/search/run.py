"""Searching: read listings page by page and put the videos into the catalog.

A listing is a search (one query with YouTube's 360° filter) or a channel's videos. After every
page its videos and the place to go on are stored together, so a search can be stopped anywhere.
"""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from yt360.catalog import Catalog
from yt360.catalog.ids import check_channel_id, is_video_id
from yt360.catalog.tables.listings import ENOUGH_PAGES, Listing
from yt360.crawl.failures import Failure, Kind, Unsuitable, classify
from yt360.crawl.rate_limit import Interrupted, RateLimitConfig, RateLimiter, SiteRefuses
from yt360.crawl.search.filters import Filters
from yt360.crawl.youtube.client import ClientOptions, Pagination, YoutubeClient
from yt360.errors import UserError
from yt360.untrusted.page import read_page

SITE = "youtube"
_FEATURE_CREATIVE_COMMONS, _FEATURE_360 = 6, 15
_POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How to search.

    Attributes:
        max_pages: Pages to read of each listing (about 20 videos each). `Listings.reopen_short`
            goes on with those that an earlier run ended at fewer.
        lease_s: A worker that is silent for so long has lost its listing.
        max_attempts: A listing whose page failed so often in a row is given up.
        retry_s: Pause before a failed page is tried again; it doubles with each try.
        wait_s: The run stays alive for listings that are due again within this time.
    """

    filters: Filters = field(default_factory=Filters)
    max_pages: int = 30
    lease_s: float = 300.0
    max_attempts: int = 4
    retry_s: float = 30.0
    wait_s: float = 900.0
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    client: ClientOptions = field(default_factory=ClientOptions)

    def __post_init__(self) -> None:
        if self.max_pages < 1 or self.max_attempts < 1:
            raise UserError("max_pages and max_attempts must be 1 or more")


@dataclass
class SearchReport:
    """What a search run did."""

    pages: int = 0
    seen: int = 0
    new: int = 0
    listings_done: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    stopped: str | None = None


def filter_parameter(creative_commons: bool = False) -> str:
    """Return YouTube's ``sp`` parameter: only videos, only 360°, if wanted only CC BY.

    It is a protocol-buffer message in base64: field 2 holds the filters, in which field 2 is the
    kind of result (1: video) and every feature is a field of its own set to 1.
    """
    features = [_FEATURE_CREATIVE_COMMONS] if creative_commons else []
    fields = [(2, 1), *((number, 1) for number in [*features, _FEATURE_360])]
    inner = b"".join(bytes([number << 3, value]) for number, value in fields)
    return base64.b64encode(bytes([2 << 3 | 2, len(inner)]) + inner).decode()


def listing_url(listing: Listing) -> str:
    """Return the page to begin a listing with."""
    if listing.kind == "channel":
        return f"https://www.youtube.com/channel/{check_channel_id(listing.key)}/videos"
    query = urlencode({"search_query": listing.key, "sp": listing.filters})
    return f"https://www.youtube.com/results?{query}"


def run_search(
    catalog: Catalog,
    config: SearchConfig,
    stop: threading.Event,
    note: Callable[[str], None] = lambda _: None,
    make_client: Callable[..., YoutubeClient] = YoutubeClient,
) -> SearchReport:
    """Read the open listings of a catalog to their ends, or until stopped.

    One thread is enough: politeness, not computing, sets the speed. Several processes may search
    for one catalog.

    Args:
        catalog: Where listings come from and videos go; of the calling thread.
        config: How to search.
        stop: Set to end the run; the page under way is read again next time.
        note: Told about pauses and failures.
        make_client: Makes yt-dlp sessions; tests reroute them.
    """
    reader = _Reader(catalog, config, stop, note, make_client)
    try:
        while not stop.is_set() and reader.step():
            pass
    except Interrupted:
        pass
    except (SiteRefuses, OSError) as error:
        reader.report.stopped = str(error)
    return reader.report


class _EnoughPages(Exception):
    """The listing goes on, but not for us."""


class _Reader:
    def __init__(
        self,
        catalog: Catalog,
        config: SearchConfig,
        stop: threading.Event,
        note: Callable[[str], None],
        make_client: Callable[..., YoutubeClient],
    ) -> None:
        self._catalog = catalog
        self._config = config
        self._stop = stop
        self._note = note
        self._make_session = make_client
        self._limiter = RateLimiter(catalog, config.rate_limit, stop, random.Random(), note)
        self.report = SearchReport()

    def step(self) -> bool:
        """Read one listing, or wait a moment for one; False when there is no more to do."""
        self._limiter.wait_out_pause(SITE)
        listing = self._catalog.listings.take(self._config.lease_s)
        if listing is not None:
            self._read(listing)
            return True
        due_s = self._catalog.listings.next_due_s()
        if due_s is None or due_s > self._config.wait_s:
            return False
        self._limiter.sleep(min(due_s + 0.01, _POLL_S))
        return True

    def _read(self, listing: Listing) -> None:
        page = _Page(self, listing)
        turner = Pagination(listing.next_page, page.turn, page.clear)
        client = self._make_session(
            self._config.client, self._limiter, self._stop, _PARAMETERS, turner
        )
        try:
            result = client.extract_info(listing_url(listing), download=False, process=False)
            for entry in (result or {}).get("entries") or ():
                page.add(entry)
            page.turn(None)
            self.report.listings_done += 1
            self._limiter.success(SITE)
        except _EnoughPages:
            self._catalog.listings.settle(listing, "done", ENOUGH_PAGES)
            self.report.listings_done += 1
        except (Interrupted, SiteRefuses, KeyboardInterrupt):
            self._catalog.listings.settle(listing, "open")
            raise
        except Exception as error:
            self._settle(listing, classify(error, client.seen_errors))

    def _settle(self, listing: Listing, failure: Failure) -> None:
        listings = self._catalog.listings
        self._note(f"{listing.kind} {listing.key!r}: {failure.reason}: {failure.detail}")
        if failure.kind is Kind.LOCAL:
            listings.settle(listing, "open", failure.reason)
            raise OSError(failure.detail)
        if failure.kind is Kind.SLOW_DOWN:
            self._limiter.slow_down(SITE, failure.retry_after_s)
            listings.settle(listing, "open", failure.reason, self._limiter.pause_left_s(SITE))
            return
        if failure.kind in (Kind.GONE, Kind.NOT_HERE, Kind.UNSUITABLE):
            listings.settle(listing, "failed", failure.reason)
        elif listing.tries + 1 >= self._config.max_attempts:
            self._limiter.trouble(SITE)
            listings.settle(listing, "failed", failure.reason, count_try=True)
        else:
            self._limiter.trouble(SITE)
            delay = self._config.retry_s * 2.0**listing.tries
            listings.settle(listing, "open", failure.reason, delay, count_try=True)
            return
        self.report.failed[failure.reason] = self.report.failed.get(failure.reason, 0) + 1

    def store(self, listing: Listing, entries: list[Mapping[str, Any]], token: str | None) -> bool:
        """Store a page: its videos, what the filters say of them, and where to go on."""
        catalog, ids = self._catalog, []
        with catalog.transaction():
            for entry in entries:
                ids.append(entry["id"])
                self.report.new += catalog.videos.add(
                    entry["id"],
                    title=entry.get("title"),
                    channel_id=entry.get("channel_id"),
                    channel=entry.get("channel"),
                    duration_s=entry.get("duration"),
                )
                try:
                    self._config.filters.check_page(entry)
                except Unsuitable as reason:
                    catalog.videos.reject(entry["id"], reason.reason, reason.detail)
            kept = catalog.listings.turn_page(listing, ids, token, self._config.lease_s)
        self.report.pages += 1
        self.report.seen += len(ids)
        return kept


class _Page:
    """The entries since the last page was turned."""

    def __init__(self, reader: _Reader, listing: Listing) -> None:
        self._reader = reader
        self._listing = listing
        self._entries: list[Mapping[str, Any]] = []
        self._pages = listing.pages

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of yt-dlp's if it is a video."""
        page = read_page(entry)
        if page and entry.get("ie_key") == "Youtube" and is_video_id(page.get("id", "")):
            self._entries.append(page)

    def clear(self) -> None:
        """Forget what came before the page at which a listing is taken up again."""
        self._entries.clear()

    def turn(self, token: str | None) -> None:
        """Store the page that ends; `token` is the next one's, None at the end."""
        entries, self._entries = self._entries, []
        self._pages += 1
        if not self._reader.store(self._listing, entries, token):
            raise _EnoughPages  # another worker took the listing over
        if token is not None and self._pages >= self._reader._config.max_pages:
            raise _EnoughPages


_PARAMETERS: dict[str, Any] = {
    "noplaylist": False,
    "extractor_args": {"youtube": {"raise_incomplete_data": ["1"]}},
}
