"""Video ids, and the sites that may be requested.

A video id is 11 characters of ``A-Z a-z 0-9 _ -``, so it can be part of a file name. It may begin
with ``-``: pass it to programs only within a URL or a path, never as an argument of its own.

Ids of YouTube are 64 bits in base64, so the last of the 11 characters has four bits: it is one of
``AEIMQUYcgkosw048``. Videos of other sites get ids that end with ``Z`` (`id_of_url`).
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
_HASHED = "Z"
"""Last character of the ids of other sites."""
_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")


def is_video_id(text: str) -> bool:
    """Return whether `text` is exactly one video id."""
    return _VIDEO_ID.fullmatch(text) is not None


def is_hashed_id(text: str) -> bool:
    """Return whether `text` is an id that `id_of_url` gives to an address of another site."""
    return is_video_id(text) and text.endswith(_HASHED)


def check_video_id(text: str) -> str:
    """Return `text` if it is a video id, else raise UserError."""
    if not is_video_id(text):
        message = f"{text!r} is not a video id: 11 characters of A-Z a-z 0-9 _ -"
        raise UserError(message, "invalid", text)
    return text


def check_channel_id(text: str) -> str:
    """Return `text` if it is a channel id (``UC`` and 22 characters), else raise UserError."""
    if not _CHANNEL_ID.fullmatch(text):
        message = f"{text!r} is not a channel id: UC and 22 characters of A-Z a-z 0-9 _ -"
        raise UserError(message, "invalid", text)
    return text


def watch_url(video_id: str) -> str:
    """Return the page of a YouTube video.

    Raises:
        UserError: `video_id` is not the id of one.
    """
    if is_hashed_id(video_id):
        raise UserError(
            f"{video_id} is the id of a video of another site; give its address",
            "invalid",
            video_id,
        )
    return f"{WATCH_URL}{check_video_id(video_id)}"


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL.

    Raises:
        UserError: The URL is malformed: an open bracket, an invalid port, half of a surrogate pair.
    """
    try:
        url.encode()
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        message = f"{url!r} is not a valid address: {error}"
        raise UserError(message, "invalid", url) from error
    return parts


def id_of_url(url: str) -> str:
    """Return the video id of a URL in a catalog.

    It is the id of a YouTube video. Any other URL gets a hash of 60 bits in the same alphabet that
    no video of YouTube has.
    """
    found = youtube_id_of(url)
    if found:
        return found
    digest = hashlib.blake2b(url.encode(), digest_size=8).digest()
    return base64.urlsafe_b64encode(digest).decode()[:10] + _HASHED


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
    """The URLs that may be requested: YouTube's pages over HTTPS, and those that the user allows.

    Args:
        extra: Allowed URL prefixes such as ``http://127.0.0.1:8000/``. Scheme, host and port of a
            URL must be equal, and its path must begin with the prefix's path.

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
                    "as in http://127.0.0.1:8000/",
                    "invalid",
                    "allow_url",
                )
            self.extra.append(_origin_and_path(prefix))

    def check(self, url: str) -> str:
        """Return `url` if it is allowed, else raise UserError."""
        parts = split_url(url)
        if parts.scheme == "https" and (parts.hostname or "").lower() in YOUTUBE_HOSTS:
            return url
        origin, path = _origin_and_path(url)
        for allowed_origin, allowed_path in self.extra:
            if origin == allowed_origin and path.startswith(allowed_path) and "/.." not in path:
                return url
        raise UserError(
            f"{url!r} is not on an allowed site (YouTube over https, and --allow-url)",
            "forbidden",
            url,
        )


def _origin_and_path(url: str) -> tuple[tuple[str, str, int | None], str]:
    parts = split_url(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, (parts.hostname or "").lower(), port), parts.path or "/"
