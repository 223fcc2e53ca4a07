"""yt-dlp as this project uses it: one gate for every request, and silence on the terminal.

All requests of yt-dlp's extractors and downloaders pass `YoutubeClient.urlopen`, so that is where
the allow-list, the rate limit and the stop event are enforced. Requests of the FFmpeg that fetches
sections do the same, see `yt360.crawl.sections.fetch`. `request_handler.py` checks redirects.

Nothing of the user's yt-dlp counts: no configuration, plugins, cache, netrc or external downloader.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking import Request, Response
from yt_dlp.networking.common import RequestDirector
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from yt360.catalog.ids import AllowedSites
from yt360.crawl.failures import Unsuitable
from yt360.crawl.rate_limit import Interrupted, RateLimiter, is_youtube_host, site_of
from yt360.crawl.sections.fetch import fetch_section
from yt360.crawl.sections.http_ranges import check_range
from yt360.crawl.verify import MAX_MEDIA_BYTES, SIZE_SLACK_BYTES
from yt360.crawl.youtube.js_runtimes import JS_RUNTIMES
from yt360.crawl.youtube.options import check_cookies, check_player_client, check_proxy
from yt360.crawl.youtube.request_handler import MAX_PAGE_BYTES, CheckedRH
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.untrusted.addresses import Forbidden, Reach
from yt360.untrusted.transfer import TransferLimits, Watch

_LOG = logging.getLogger("yt360.crawl")
_YOUTUBE_EXTRACTORS = ["^youtube$", "^youtube:tab$", "^youtube:search_url$"]
_PAGED_APIS = ("/youtubei/v1/search", "/youtubei/v1/browse")
_PROTOCOLS = ("http", "https", "http_dash_segments", "http_dash_segments_generator")
_PAGE_LIMITS = TransferLimits(
    max_bytes=MAX_PAGE_BYTES, mean_rate_bytes_per_s=100_000.0, grace_s=60.0
)
plugin_dirs.value = []  # yt-dlp would run whatever it finds in the user's folders and sys.path


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """How to ask the sites.

    Attributes:
        allow_urls: URL prefixes that are allowed beside YouTube.
        cookies: Netscape cookie file of an account, for what needs a login.
        proxy: Proxy URL for everything, such as ``socks5://127.0.0.1:1080``; empty for none, None
            for what the environment says.
        player_clients: YouTube player clients to ask, in this order; empty for yt-dlp's own.
        timeout_s: Socket timeout in seconds.
        rate_limit_bytes_per_s: Cap of one download; None for no cap.

    Raises:
        UserError: One of them cannot be used, see `yt360.crawl.youtube.options`.
    """

    allow_urls: tuple[str, ...] = ()
    cookies: Path | None = None
    proxy: str | None = None
    player_clients: tuple[str, ...] = ()
    timeout_s: float = 30.0
    rate_limit_bytes_per_s: float | None = None

    def __post_init__(self) -> None:
        if self.cookies is not None:
            check_cookies(self.cookies)
        if self.proxy is not None:
            check_proxy(self.proxy)
        AllowedSites(self.allow_urls)
        for client in self.player_clients:
            check_player_client(client)
        if not 0 < self.timeout_s < float("inf"):
            raise UserError(f"timeout_s of {self.timeout_s} is not a positive number of seconds")

    def parameters(self) -> dict[str, Any]:
        """Return these options as parameters of `yt_dlp.YoutubeDL`."""
        parameters: dict[str, Any] = {
            "socket_timeout": self.timeout_s,
            "proxy": self.proxy,
            "ratelimit": self.rate_limit_bytes_per_s,
            "cookiefile": str(self.cookies) if self.cookies else None,
            "allowed_extractors": [
                *_YOUTUBE_EXTRACTORS,
                *(["^generic$"] if self.allow_urls else []),
            ],
            "js_runtimes": {name: {} for name in JS_RUNTIMES},
        }
        if self.player_clients:
            parameters["extractor_args"] = {"youtube": {"player_client": [*self.player_clients]}}
        return parameters


class YoutubeClient(YoutubeDL):
    """A quiet `YoutubeDL` whose every request is allowed, paced and can be interrupted.

    Args:
        options: How to ask.
        limiter: When to ask; of the calling thread.
        stop: Set to end the work at the next request or block of data.
        parameters: Further parameters of `YoutubeDL`.
        turn_page: Called before each further page of a listing is asked for, see `Pagination`.
    """

    def __init__(
        self,
        options: ClientOptions,
        limiter: RateLimiter,
        stop: threading.Event,
        parameters: dict[str, Any] | None = None,
        turn_page: Pagination | None = None,
    ) -> None:
        self.seen_errors: list[RequestError] = []
        self._sites = AllowedSites(options.allow_urls)
        named = [urlsplit(prefix).hostname or "" for prefix in options.allow_urls]
        self.reach = Reach(self._check_hop, named)
        self._limits = _PAGE_LIMITS
        self._limiter = limiter
        self._stop = stop
        self._turn_page = turn_page
        if parameters and "ffmpeg_location" in parameters:
            # yt-dlp asks this before it looks at its parameters, as its own main program knows.
            FFmpegPostProcessor._ffmpeg_location.set(parameters["ffmpeg_location"])
        super().__init__(
            {
                "quiet": True,
                "noprogress": True,
                "no_warnings": True,
                "color": {"stdout": "no_color", "stderr": "no_color"},
                "logger": _QuietLogger(),
                "cachedir": False,
                "noplaylist": True,
                "ignoreconfig": True,
                **options.parameters(),
                **(parameters or {}),
            },
            auto_init="no_verbose_header",
        )

    def urlopen(self, req: Any) -> Response:
        """Send a request when it is allowed and polite; remember what errors came back."""
        request = Request(req) if isinstance(req, str) else req
        self.check_request(request.url)
        if self._stop.is_set():
            raise Interrupted
        if self._turn_page is not None and _is_page_request(request):
            self._turn_page.before(request)
        if not _is_media(request.url):
            self._limiter.wait_turn(site_of(request.url))
        try:
            response = self.send(request)
            check_range(request, response)
        except RequestError as error:
            if isinstance(error.cause, Forbidden):
                raise Unsuitable("forbidden-site", str(error.cause)) from error
            self.seen_errors.append(error)
            raise
        return response

    def save_cookies(self) -> None:
        """Write the cookies back whole or not at all, since workers share the file."""
        if self.params.get("cookiefile") is not None:
            with atomic_write(Path(self.params["cookiefile"]), "w") as file:
                self.cookiejar.save(file)

    def send(self, request: Request) -> Response:
        """Send a request over the network."""
        return super().urlopen(request)

    def dl(
        self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False
    ) -> tuple[bool, bool]:
        """Download a file; sections by requests of this client, which yt-dlp leaves to FFmpeg."""
        protocol = str(info.get("protocol") or urlsplit(str(info.get("url"))).scheme)
        if "m3u8" in protocol:
            # yt-dlp may give such a playlist to FFmpeg, whose requests nobody checks or limiters.
            raise Unsuitable("hls-only", "the stream comes as an HLS playlist, not as a file")
        if not set(protocol.split("+")) <= set(_PROTOCOLS):
            # yt-dlp has programs for some others, such as rtmpdump, that ask by themselves.
            raise Unsuitable("no-web-file", f"the stream comes over {protocol}")
        with self._transferring(info):
            if info.get("section_end") is None:
                return super().dl(name, info, subtitle, test)
            fetch_section(self, Path(name), info)
            return True, True

    @contextmanager
    def _transferring(self, info: dict[str, Any]) -> Iterator[None]:
        """Let answers be as large as the streams of a video meanwhile."""
        sizes = [form.get("filesize") for form in info.get("requested_formats") or [info]]
        known = [size + SIZE_SLACK_BYTES for size in sizes if size is not None]
        largest = max(known) if len(known) == len(sizes) else MAX_MEDIA_BYTES
        self._limits = TransferLimits(max_bytes=largest)
        try:
            yield
        finally:
            self._limits = _PAGE_LIMITS

    @cached_property
    def _request_director(self) -> RequestDirector:
        """What yt-dlp sends requests by: one handler, which checks every hop."""
        handler = partial(CheckedRH, reach=self.reach, new_watch=lambda: Watch(self._limits))
        return self.build_request_director([handler])

    def _check_hop(self, url: str) -> None:
        try:
            self.check_request(url)
        except Unsuitable as error:
            raise ValueError(error.detail) from error

    def check_request(self, url: str) -> None:
        """Raise `Unsuitable` unless `url` belongs to YouTube or to the allowed sites."""
        parts = urlsplit(url)
        if parts.scheme == "https" and is_youtube_host((parts.hostname or "").lower()):
            return
        try:
            self._sites.check(url)
        except UserError as error:
            raise Unsuitable("forbidden-site", str(error)) from error


class _QuietLogger:
    """Takes all that yt-dlp says as debug messages: its errors reach us as exceptions."""

    def debug(self, message: str) -> None:
        _LOG.debug(message)

    warning = error = debug


class Pagination:
    """Sees the pages of a listing go by, so that it can be left and taken up again.

    yt-dlp yields the entries of search results and channels one by one and asks for the next page
    when it needs it, with a ``continuation`` token in the request. Before that request goes out,
    all entries of the page before have been yielded: the moment to store them together with the
    token. To go on later, the first request of a fresh listing is given the stored token.

    Args:
        resume: Token of the page to begin with; None for the first page.
        turned: Called with the token of each next page. It may raise to end the listing.
        resumed: Called when the stored page is asked for: what came before it is known already.
    """

    def __init__(
        self, resume: str | None, turned: Callable[[str], None], resumed: Callable[[], None]
    ) -> None:
        self._resume = resume
        self._turned = turned
        self._resumed = resumed
        self._last: str | None = None

    def before(self, request: Request) -> None:
        """Look at (and on resuming change) a page request that is about to be sent."""
        body = json.loads(request.data)
        if self._resume is not None:
            body["continuation"], self._resume = self._resume, None
            self._last = body["continuation"]
            request.data = json.dumps(body).encode()
            self._resumed()
            return
        token = body.get("continuation")
        if token and token != self._last:  # the same token again is a retry of the same page
            self._last = token
            self._turned(token)


def _is_page_request(request: Request) -> bool:
    return bool(request.data) and urlsplit(request.url).path in _PAGED_APIS


def _is_media(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.lower().endswith(".googlevideo.com")
