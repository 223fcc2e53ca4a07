"""A yt-dlp client that checks every request and prints nothing.

All requests of yt-dlp's extractors and downloaders pass `YoutubeClient.urlopen`, which enforces the
allow-list, the rate limit and the stop event. Requests of the FFmpeg that downloads sections pass
it too, see `yt360.crawl.sections.fetch`. `request_handler.py` checks redirects.

The user's yt-dlp configuration, plugins, cache, netrc and external downloaders are ignored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
from yt360.crawl.rate_limit import Interrupted, Pace, is_youtube_host, site_of
from yt360.crawl.sections.fetch import fetch_section
from yt360.crawl.sections.http_ranges import check_range
from yt360.crawl.verify import MAX_MEDIA_BYTES, SIZE_SLACK_BYTES
from yt360.crawl.youtube.options import ClientOptions
from yt360.crawl.youtube.pagination import Pagination
from yt360.crawl.youtube.request_handler import MAX_PAGE_BYTES, CheckedRH
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.untrusted.addresses import Forbidden, Reach
from yt360.untrusted.transfer import TransferLimits, Watch

_LOG = logging.getLogger("yt360.crawl")
_PAGED_APIS = ("/youtubei/v1/search", "/youtubei/v1/browse")
_PROTOCOLS = ("http", "https", "http_dash_segments", "http_dash_segments_generator")
plugin_dirs.value = []  # or yt-dlp would run plugins from the user's folders and sys.path


class YoutubeClient(YoutubeDL):
    """A quiet `YoutubeDL` whose requests are checked, rate limited and interruptible.

    Args:
        options: Options of yt-dlp.
        limiter: The rate limiter of the calling thread.
        stop: Set to end the work at the next request or block of data.
        parameters: Further parameters of `YoutubeDL`.
        pagination: Called before each page of a listing is requested.
    """

    page_limits = TransferLimits(
        max_bytes=MAX_PAGE_BYTES, mean_rate_bytes_per_s=100_000.0, grace_s=60.0
    )

    def __init__(
        self,
        options: ClientOptions,
        limiter: Pace,
        stop: threading.Event,
        parameters: dict[str, Any] | None = None,
        pagination: Pagination | None = None,
    ) -> None:
        self.seen_errors: list[RequestError] = []
        self._sites = AllowedSites(options.allow_urls)
        named = [urlsplit(prefix).hostname or "" for prefix in options.allow_urls]
        self.reach = Reach(self._check_hop, named)
        self._limits = self.page_limits
        self._limiter = limiter
        self._stop = stop
        self._pagination = pagination
        if parameters and "ffmpeg_location" in parameters:
            # yt-dlp uses this before it reads its parameters.
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
        """Send a request that is allowed, when the rate limiter permits it; record its errors."""
        request = Request(req) if isinstance(req, str) else req
        self.check_request(request.url)
        if self._stop.is_set():
            raise Interrupted
        if self._pagination is not None and _is_page_request(request):
            self._pagination.before(request)
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
        """Write the cookies to their file atomically, since workers share the file."""
        if self.params.get("cookiefile") is not None:
            with atomic_write(Path(self.params["cookiefile"]), "w") as file:
                self.cookiejar.save(file)

    def send(self, request: Request) -> Response:
        """Send a request over the network."""
        return super().urlopen(request)

    def dl(
        self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False
    ) -> tuple[bool, bool]:
        """Download a file. Sections, which yt-dlp would leave to FFmpeg, use this client too."""
        protocol = str(info.get("protocol") or urlsplit(str(info.get("url"))).scheme)
        if "m3u8" in protocol:
            # yt-dlp may give such a playlist to FFmpeg, whose requests are not checked.
            raise Unsuitable("hls-only", "the stream comes as an HLS playlist, not as a file")
        if not set(protocol.split("+")) <= set(_PROTOCOLS):
            # For some other protocols yt-dlp runs programs, such as rtmpdump, that send requests.
            raise Unsuitable("no-web-file", f"the stream comes over {protocol}")
        with self._transferring(info):
            if info.get("section_end") is None:
                return super().dl(name, info, subtitle, test)
            fetch_section(self, Path(name), info)
            return True, True

    @contextmanager
    def _transferring(self, info: dict[str, Any]) -> Iterator[None]:
        """Allow responses as large as the streams of a video while the block runs."""
        sizes = [form.get("filesize") for form in info.get("requested_formats") or [info]]
        known = [size + SIZE_SLACK_BYTES for size in sizes if size is not None]
        largest = max(known) if len(known) == len(sizes) else MAX_MEDIA_BYTES
        self._limits = TransferLimits(max_bytes=largest)
        try:
            yield
        finally:
            self._limits = self.page_limits

    @cached_property
    def _request_director(self) -> RequestDirector:
        """yt-dlp's request handlers: one, which checks every redirect."""
        handler = partial(CheckedRH, reach=self.reach, new_watch=lambda: Watch(self._limits))
        return self.build_request_director([handler])

    def _check_hop(self, url: str) -> None:
        try:
            self.check_request(url)
        except Unsuitable as error:
            raise ValueError(error.detail) from error

    def check_request(self, url: str) -> None:
        """Raise `Unsuitable` unless `url` is on YouTube or on an allowed site."""
        parts = urlsplit(url)
        if parts.scheme == "https" and is_youtube_host((parts.hostname or "").lower()):
            return
        try:
            self._sites.check(url)
        except UserError as error:
            raise Unsuitable("forbidden-site", str(error)) from error


class _QuietLogger:
    """Logs all messages of yt-dlp at the debug level; its errors are raised as exceptions."""

    def debug(self, message: str) -> None:
        _LOG.debug(message)

    warning = error = debug


def _is_page_request(request: Request) -> bool:
    return bool(request.data) and urlsplit(request.url).path in _PAGED_APIS


def _is_media(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.lower().endswith(".googlevideo.com")
