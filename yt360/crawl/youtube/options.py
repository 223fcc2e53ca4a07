"""Checks of a run's settings, made before the first request.

yt-dlp meets a wrong cookie file or proxy at the first video and says so of that video, and it
leaves out a player client that it does not know without a word.
"""

from __future__ import annotations

from http.cookiejar import LoadError
from pathlib import Path

from yt_dlp.cookies import YoutubeDLCookieJar

from yt360.catalog.ids import split_url
from yt360.errors import UserError, did_you_mean
from yt360.untrusted.files import read_limited

PROXY_SCHEMES = ("http", "socks4", "socks4a", "socks5", "socks5h")
_COOKIE_FIELDS = 7
_MAX_COOKIES_BYTES = 16 << 20


def check_cookies(path: Path) -> None:
    """Raise UserError unless yt-dlp can load the whole of a Netscape cookie file."""
    if not path.exists():
        raise UserError(f"no cookie file at {path}")
    try:
        lines = read_limited(path, _MAX_COOKIES_BYTES).decode().splitlines()
        for number, line in enumerate(lines, 1):
            fields = line.count("\t") + 1
            if line.strip() and not line.startswith("#") and fields != _COOKIE_FIELDS:
                raise LoadError(
                    f"line {number} has {fields} fields between tabs, a cookie has {_COOKIE_FIELDS}"
                )
        YoutubeDLCookieJar(str(path)).load()
    except (OSError, ValueError) as error:  # a LoadError is an OSError
        raise UserError(
            f"{path} is not a cookie file in Netscape format ({error}): export it as cookies.txt"
        ) from error


def check_proxy(url: str) -> None:
    """Raise UserError unless `url` names a proxy, or is empty: none, whatever the environment says.

    A proxy needs a scheme that yt-dlp knows, and a host.
    """
    if not url:
        return
    parts = split_url(url)
    if parts.scheme not in PROXY_SCHEMES or not parts.hostname:
        raise UserError(
            f"proxy {url!r} is not SCHEME://HOST:PORT, with a scheme of {', '.join(PROXY_SCHEMES)}"
        )


def check_player_client(name: str) -> None:
    """Raise UserError unless yt-dlp knows a YouTube player client (``-NAME`` leaves one out)."""
    from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS

    known = {client for client in INNERTUBE_CLIENTS if not client.startswith("_")}
    bare = name.removeprefix("-")
    if bare not in known and name not in ("default", "all"):
        choices = known | {"default", "all"}
        raise UserError(f"yt-dlp has no player client {name!r}{did_you_mean(bare, choices)}")
