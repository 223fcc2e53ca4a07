"""Options of yt-dlp, and their validation before the first request.

yt-dlp notices a bad cookie file or proxy only at the first video and reports it as an error of that
video. It ignores an unknown player client without a message.
"""

from __future__ import annotations

from http.cookiejar import LoadError
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from yt_dlp.cookies import YoutubeDLCookieJar

from yt360.catalog.ids import AllowedSites, split_url
from yt360.config import config_class
from yt360.crawl.youtube.js_runtimes import JS_RUNTIMES
from yt360.errors import UserError, did_you_mean
from yt360.untrusted.files import read_limited

PROXY_SCHEMES = ("http", "socks4", "socks4a", "socks5", "socks5h")
_YOUTUBE_EXTRACTORS = ["^youtube$", "^youtube:tab$", "^youtube:search_url$"]
_COOKIE_FIELDS = 7
_MAX_COOKIES_BYTES = 16 << 20


def _check_urls(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    AllowedSites(prefixes)
    return prefixes


def _check_cookies(path: Path) -> Path:
    """Raise UserError unless yt-dlp can load all of a Netscape cookie file."""
    if not path.exists():
        raise UserError(f"no cookie file at {path}", "missing", path)
    try:
        lines = read_limited(path, _MAX_COOKIES_BYTES).decode().splitlines()
        for number, line in enumerate(lines, 1):
            fields = line.count("\t") + 1
            if line.strip() and not line.startswith("#") and fields != _COOKIE_FIELDS:
                raise LoadError(
                    f"line {number} has {fields} tab-separated fields, not {_COOKIE_FIELDS}"
                )
        YoutubeDLCookieJar(str(path)).load()
    except (OSError, ValueError) as error:  # a LoadError is an OSError
        raise UserError(
            f"{path} is not a cookie file in Netscape format ({error}): export it as cookies.txt",
            "invalid",
            path,
        ) from error
    return path


def _check_proxy(url: str) -> str:
    """Raise UserError unless `url` is empty or a proxy with a scheme that yt-dlp supports."""
    parts = split_url(url)
    if url and (parts.scheme not in PROXY_SCHEMES or not parts.hostname):
        raise UserError(
            f"proxy {url!r} is not SCHEME://HOST:PORT, with a scheme of {', '.join(PROXY_SCHEMES)}",
            "invalid",
            "proxy",
        )
    return url


def _check_player_client(name: str) -> str:
    """Raise UserError unless yt-dlp has a YouTube player client (``-NAME`` excludes one)."""
    from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS

    known = {client for client in INNERTUBE_CLIENTS if not client.startswith("_")}
    bare = name.removeprefix("-")
    if bare not in known and name not in ("default", "all"):
        hint = did_you_mean(bare, known | {"default", "all"})
        raise UserError(f"yt-dlp has no player client {name!r}{hint}", "unknown-name", name)
    return name


@config_class
class ClientOptions:
    """Options of a yt-dlp client."""

    allow_urls: Annotated[tuple[str, ...], AfterValidator(_check_urls)] = ()
    """URL prefixes that are allowed in addition to YouTube."""
    cookies: Annotated[Path, AfterValidator(_check_cookies)] | None = None
    """Netscape cookie file of an account, for videos that need a login."""
    proxy: Annotated[str, AfterValidator(_check_proxy)] | None = None
    """Proxy URL for all requests, such as ``socks5://127.0.0.1:1080``; empty for none, None for the
    proxy of the environment."""
    player_clients: tuple[Annotated[str, AfterValidator(_check_player_client)], ...] = ()
    """YouTube player clients to request, in this order; empty for yt-dlp's choice."""
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Socket timeout in seconds."""
    max_rate_bytes_per_s: float | None = None
    """Bandwidth limit of one download; None for no limit."""

    def parameters(self) -> dict[str, Any]:
        """Return these options as parameters of `yt_dlp.YoutubeDL`."""
        generic = ["^generic$"] if self.allow_urls else []
        parameters: dict[str, Any] = {
            "socket_timeout": self.timeout_s,
            "proxy": self.proxy,
            "ratelimit": self.max_rate_bytes_per_s,
            "cookiefile": str(self.cookies) if self.cookies else None,
            "allowed_extractors": [*_YOUTUBE_EXTRACTORS, *generic],
            "js_runtimes": {name: {} for name in JS_RUNTIMES},
        }
        if self.player_clients:
            parameters["extractor_args"] = {"youtube": {"player_client": [*self.player_clients]}}
        return parameters
