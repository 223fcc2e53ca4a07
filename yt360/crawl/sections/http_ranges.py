"""Parts of a stream as HTTP asks for them and answers: what to ask, and what came."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    RequestError,
    TransportError,
)

from yt360.crawl.failures import Damaged, retry_after_s
from yt360.crawl.verify import SIZE_SLACK_BYTES

BLOCK_BYTES = 16 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A stream that FFmpeg may ask for.

    Attributes:
        url: Its address.
        headers: Sent with each request for it.
        size_bytes: Its size, if the site declares one.
        chunk_bytes: Ask for no more at once; needs `size_bytes`. None for no limit.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    chunk_bytes: int | None = None


@dataclass
class Ask:
    """What FFmpeg wants of a stream, and what has become of it.

    Attributes:
        position: The next byte to send.
        last: The last byte that FFmpeg wants; None for the stream's end.
        breaks: How often the connection failed and was taken up again.
        broke: It has just failed.
        refused: The site has no such bytes.
    """

    source: Source
    position: int
    last: int | None
    breaks: int = 0
    broke: bool = False
    response: Response | None = None
    refused: bool = False
    answered: threading.Event = field(default_factory=threading.Event)

    def last_now(self) -> int | None:
        """Return the last byte to ask for in one go."""
        chunk = self.source.chunk_bytes
        if not chunk or not self.source.size_bytes:
            return self.last
        chunk_end = self.position + chunk - 1
        return chunk_end if self.last is None else min(self.last, chunk_end)

    def request(self) -> Request:
        """Return the request for what is to come now."""
        last = self.last_now()
        span = f"bytes={self.position}-{'' if last is None else last}"
        headers = {**self.source.headers, "Accept-Encoding": "identity", "Range": span}
        return Request(self.source.url, headers=headers)


def extent(response: Response, source: Source) -> tuple[int, int | None]:
    """Return the first byte of what a response holds, and the size of the whole stream if known.

    Raises:
        Damaged: The stream is empty, or has not the size that was declared.
    """
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range") or "")
    length = response.headers.get("Content-Length") or ""
    begin, total = 0, source.size_bytes
    if response.status == HTTPStatus.PARTIAL_CONTENT and found:
        begin, total = int(found[1]), int(found[3]) if found[3] != "*" else total
    elif response.status != HTTPStatus.PARTIAL_CONTENT:
        encoded = response.headers.get("Content-Encoding")
        total = int(length) if _LENGTH.fullmatch(length) and not encoded else None
    if total == 0:
        raise Damaged("empty", "the stream has 0 bytes")
    declared = source.size_bytes
    if total and declared and abs(total - declared) > SIZE_SLACK_BYTES:
        raise Damaged("wrong-size", f"the stream has {total} bytes, declared {declared}")
    return begin, total


def check_range(request: Request, response: Response) -> None:
    """Raise TransportError when a part came that was not asked for, or less of it than there is.

    yt-dlp takes such a part for the whole.
    """
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return
    asked = _RANGE.fullmatch(request.headers.get("Range") or "")
    header = response.headers.get("Content-Range") or ""
    found = _CONTENT_RANGE.fullmatch(header)
    problem = None
    if asked is None or found is None or int(found[1]) != int(asked[1]):
        problem = f"{request.headers.get('Range') or 'the whole'} was asked for"
    elif found[3] != "*":
        end = min(int(asked[2] or found[3]), int(found[3]) - 1)
        if int(found[2]) < end:
            problem = f"the stream has more of {asked[0]}"
    if problem:
        response.close()
        raise TransportError(f"incomplete: part {header!r} came, {problem}")


def may_pass(error: RequestError) -> bool:
    """Return whether asking again at once may help: what yt-dlp retries, unless told to wait."""
    if isinstance(error, HTTPError):
        return error.status >= 500 and retry_after_s(error.response.headers) is None
    return isinstance(error, TransportError) and not isinstance(error, CertificateVerifyError)


def own_socket(response: Response) -> socket.socket | None:
    """Return a second handle of a response's connection, which can be shut from another thread."""
    try:
        return socket.socket(fileno=os.dup(response.fp.fileno()))
    except (OSError, ValueError, AttributeError):  # it has ended already, or is no socket
        return None


def read_block(response: Response) -> bytes:
    """Return the next bytes of a response, none at its end; every failure is a RequestError."""
    try:
        return response.read(BLOCK_BYTES)
    except (OSError, ValueError) as error:
        raise TransportError(cause=error) from error
