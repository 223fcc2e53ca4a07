"""Addresses of folders in buckets and on servers, in arguments that may also be local paths."""

from __future__ import annotations

import re
from pathlib import Path

from yt360.errors import UserError

# Accept a single slash, because `Path` collapses two slashes into one.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(?=[^/])", re.IGNORECASE)
_FILE_URL = re.compile(r"file:/+", re.IGNORECASE)
_READ_ONLY = ("http", "https")


def as_url(folder: str | Path, what: str = "") -> str | None:
    """Return the URL of an argument that names a folder, or None if it is a local path.

    Args:
        folder: The argument.
        what: Its name, for the error.

    Raises:
        UserError: The argument is empty, or a ``file:`` URL.
    """
    text = str(folder)
    if not text:
        raise UserError(
            f"the path{what and f' for {what}'} is empty; give one, or . for the current folder",
            code="empty",
            key=what or None,
        )
    if local := _FILE_URL.match(text):
        raise UserError(
            f"{text} is on this machine; give its path, /{text[local.end() :]}",
            code="unsupported",
            key=text,
        )
    match = _URL.match(text)
    return f"{match[1].lower()}://{text[match.end() :]}".rstrip("/") if match else None


def require_local(path: str | Path, what: str) -> None:
    """Check that an argument is not a URL, where only a path on this machine can be read.

    Args:
        path: The argument.
        what: What to copy here, for the error.

    Raises:
        UserError: ``"unsupported"``: It is a URL.
    """
    if url := as_url(path):
        raise UserError(
            f"{url} is not on this machine; copy {what} to a folder and give that",
            code="unsupported",
            key=url,
        )


def is_read_only(url: str) -> bool:
    """Return whether a URL is one of a web server, or a chain of URLs."""
    return url.partition("://")[0] in _READ_ONLY or "::" in url


def as_bucket_url(folder: str | Path) -> str | None:
    """Return the URL of a folder in a bucket that is to be written, or None for a local path.

    Raises:
        UserError: It is the URL of a web server or of this machine, a chain of URLs, or a bucket
            without a folder in it.
    """
    url = as_url(folder)
    if url is None:
        return None
    scheme, _, rest = url.partition("://")
    if is_read_only(url):
        raise UserError(
            f"{url} cannot be written; give a local folder, or one in a bucket, such as "
            "s3://BUCKET/NAME",
            code="unsupported",
            key=url,
        )
    if not all(rest.split("/")) or "/" not in rest:
        raise UserError(
            f"{url} names no folder in a bucket; give one, such as {scheme}://BUCKET/NAME",
            key=url,
        )
    return url
