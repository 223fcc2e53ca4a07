"""Video ids and the sites that they may be fetched from, checked at the door.

An id is 11 characters of ``A-Z a-z 0-9 _ -`` and nothing else, so it can be part of a file name.
It may begin with ``-``: hand it to programs only inside a URL or a path, never as a bare argument.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qs, urlsplit

from yt360.errors import UserError

YOUTUBE_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
)
WATCH_URL = "https://www.youtube.com/watch?v="
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")


def is_video_id(text: str) -> bool:
    """Return whether `text` is exactly one video id."""
    return _VIDEO_ID.fullmatch(text) is not None


def check_video_id(text: str) -> str:
    """Return `text` when it is a video id.

    Raises:
        UserError: It is not 11 characters of the alphabet.
    """
    if not is_video_id(text):
        raise UserError(f"{text!r} is not a video id: 11 characters of A-Z a-z 0-9 _ -")
    return text


def check_channel_id(text: str) -> str:
    """Return `text` when it is a channel id (``UC`` and 22 characters), else raise UserError."""
    if not _CHANNEL_ID.fullmatch(text):
        raise UserError(f"{text!r} is not a channel id: UC and 22 characters of A-Z a-z 0-9 _ -")
    return text


def watch_url(video_id: str) -> str:
    """Return the page of a YouTube video."""
    return f"{WATCH_URL}{check_video_id(video_id)}"


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL, of which every one can be read.

    Raises:
        UserError: It is malformed: an open bracket, a port that is none, half a character.
    """
    try:
        url.encode()
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UserError(f"{url!r} is not a valid address: {error}") from error
    return parts


def id_of_url(url: str) -> str:
    """Return the id under which a URL is catalogued.

    A YouTube URL gives its own id. Any other URL gives 11 characters of the same alphabet: 64 bits
    of a hash of the URL, so the same address is always the same video.
    """
    found = youtube_id_of(url)
    if found:
        return found
    digest = hashlib.blake2b(url.encode(), digest_size=8).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def youtube_id_of(url: str) -> str | None:
    """Return the id in the address of a YouTube video, or None for any other address.

    Raises:
        UserError: The address is malformed.
    """
    parts = split_url(url)
    host = (parts.hostname or "").lower()
    if host not in YOUTUBE_HOSTS:
        return None
    if host == "youtu.be":
        candidate = parts.path.strip("/")
    elif parts.path == "/watch":
        candidate = parse_qs(parts.query).get("v", [""])[0]
    else:
        match = re.fullmatch(r"/(?:shorts|live|embed|v)/([^/]+)/?", parts.path)
        candidate = match[1] if match else ""
    return candidate if is_video_id(candidate) else None


class AllowedSites:
    """The addresses that may be asked: YouTube's pages over HTTPS, and what the user adds.

    Args:
        extra: URL prefixes such as ``http://127.0.0.1:8000/``; scheme, host and port must be equal
            and the path must begin with the prefix's path.

    Raises:
        UserError: A prefix is malformed, or has no http(s) scheme or no host.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self.extra = []
        for prefix in extra:
            parts = split_url(prefix)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise UserError(
                    f"--allow-url {prefix!r} is not an address: give scheme and host, "
                    "as in http://127.0.0.1:8000/"
                )
            self.extra.append(_origin_and_path(prefix))

    def check(self, url: str) -> str:
        """Return `url` when it is allowed, else raise UserError."""
        parts = split_url(url)
        if parts.scheme == "https" and (parts.hostname or "").lower() in YOUTUBE_HOSTS:
            return url
        origin, path = _origin_and_path(url)
        for allowed_origin, allowed_path in self.extra:
            if origin == allowed_origin and path.startswith(allowed_path) and "/.." not in path:
                return url
        raise UserError(
            f"{url!r} is on no allowed site: YouTube over https, or what --allow-url names"
        )


def _origin_and_path(url: str) -> tuple[tuple[str, str, int | None], str]:
    parts = split_url(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, (parts.hostname or "").lower(), port), parts.path or "/"
