"""A search run: read listings page by page and add their videos to the catalog.

A listing is a search (one query with YouTube's 360° filter) or the videos of a channel. The videos
of each page are stored together with the token of the next page, so a search can be stopped at any
time.
"""

from __future__ import annotations

import base64
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from yt360.catalog import Catalog
from yt360.catalog.ids import check_channel_id, is_video_id
from yt360.catalog.tables.listings import ENOUGH_PAGES, Listing
from yt360.crawl.failures import Failure, Kind, Unsuitable, classify
from yt360.crawl.rate_limit import Interrupted, RateLimiter, SiteRefuses
from yt360.crawl.search.config import SearchConfig
from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.pagination import Pagination
from yt360.untrusted.page import read_page

SITE = "youtube"
_FEATURE_CREATIVE_COMMONS, _FEATURE_360 = 6, 15
_POLL_S = 0.5


@dataclass
class SearchReport:
    """Counts of a search run."""

    pages: int = 0
    seen: int = 0
    new: int = 0
    listings_done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the run ended early, or all of its searches failed."""
        return self.stopped is not None or bool(self.failed and not self.pages)


def filter_parameter(creative_commons: bool = False) -> str:
    """Return YouTube's ``sp`` parameter: only videos, only 360°, optionally only CC BY.

    It is a protocol buffer in base64: field 2 holds the filters, in which field 2 is the kind of
    result (1: video) and each feature is a field with the value 1.
    """
    features = [_FEATURE_CREATIVE_COMMONS] if creative_commons else []
    fields = [(2, 1), *((number, 1) for number in [*features, _FEATURE_360])]
    inner = b"".join(bytes([number << 3, value]) for number, value in fields)
    return base64.b64encode(bytes([2 << 3 | 2, len(inner)]) + inner).decode()


def listing_url(listing: Listing) -> str:
    """Return the URL of the first page of a listing."""
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

    One thread is enough, since the rate limit determines the speed. Several processes may search
    for one catalog.

    Args:
        catalog: The catalog; a connection of the calling thread.
        config: The options.
        stop: Ends the run when set; the page in progress is read again next time.
        note: Called with a line about each pause and failure.
        make_client: Creates yt-dlp clients.
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
    """The listing has more pages, which are not read."""


class _Reader:
    """Reads the listings of a catalog, one after another."""

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
        self._make_client = make_client
        self._limiter = RateLimiter(catalog, config.rate_limit, stop, random.Random(), note)
        self.report = SearchReport()

    def step(self) -> bool:
        """Read one listing, or wait briefly for one; return False if none is due in time."""
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
        entries: list[Mapping[str, Any]] = []  # of the current page
        pages = listing.pages

        def turn_page(token: str | None) -> None:
            """Store the current page; `token` is the next page's, None at the end."""
            nonlocal pages
            pages += 1
            page, entries[:] = [*entries], []
            if not self._store(listing, page, token):
                raise _EnoughPages  # another worker has claimed the listing
            if token is not None and pages >= self._config.max_pages:
                raise _EnoughPages

        client = self._make_client(
            self._config.client,
            self._limiter,
            self._stop,
            _PARAMETERS,
            Pagination(listing.next_page, turn_page, entries.clear),
        )
        try:
            result = client.extract_info(listing_url(listing), download=False, process=False)
            for entry in (result or {}).get("entries") or ():
                video = read_page(entry)
                if video and entry.get("ie_key") == "Youtube" and is_video_id(video.get("id", "")):
                    entries.append(video)
            turn_page(None)
            self.report.listings_done += 1
            self._limiter.report_success(SITE)
        except _EnoughPages:
            self._catalog.listings.settle(listing, "done", ENOUGH_PAGES)
            self.report.listings_done += 1
        except (Interrupted, SiteRefuses, KeyboardInterrupt):
            self._catalog.listings.settle(listing, "open")
            raise
        except Exception as error:
            self._settle(listing, classify(error, client.seen_errors))

    def _store(self, listing: Listing, entries: list[Mapping[str, Any]], token: str | None) -> bool:
        """Store a page: its videos, the results of the filters, and the next page's token."""
        catalog = self._catalog
        ids = [entry["id"] for entry in entries]
        with catalog.transaction():
            for entry in entries:
                self.report.new += catalog.videos.add(
                    entry["id"],
                    title=entry.get("title"),
                    channel_id=entry.get("channel_id"),
                    channel=entry.get("channel"),
                    duration_s=entry.get("duration"),
                )
                try:
                    self._config.filters.check_page(entry)
                except Unsuitable as error:
                    catalog.videos.reject(entry["id"], error.reason, error.detail)
            kept = catalog.listings.turn_page(listing, ids, token, self._config.lease_s)
        self.report.pages += 1
        self.report.seen += len(ids)
        return kept

    def _settle(self, listing: Listing, failure: Failure) -> None:
        """Handle a failure by its kind."""
        settle, kind = self._catalog.listings.settle, failure.kind
        self._note(f"{listing.kind} {listing.key!r}: {failure.reason}: {failure.detail}")
        if kind is Kind.LOCAL:
            settle(listing, "open", failure.reason)
            raise OSError(failure.detail)
        if kind is Kind.SLOW_DOWN:
            self._limiter.slow_down(SITE, failure.retry_after_s)
            settle(listing, "open", failure.reason, self._limiter.pause_left_s(SITE))
            return
        is_final = kind in (Kind.GONE, Kind.NOT_HERE, Kind.UNSUITABLE)
        if not is_final:
            self._limiter.report_error(SITE)
        if not is_final and not self._config.retry.is_exhausted(listing.tries + 1):
            delay_s = self._config.retry.delay_s(listing.tries + 1)
            settle(listing, "open", failure.reason, delay_s, count_try=True)
            return
        settle(listing, "failed", failure.reason, count_try=not is_final)
        self.report.failed[failure.reason] += 1


_PARAMETERS: dict[str, Any] = {
    "noplaylist": False,
    "extractor_args": {"youtube": {"raise_incomplete_data": ["1"]}},
}
