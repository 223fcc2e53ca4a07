"""HTTP range requests for parts of a stream, and checks of their responses."""

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
class Stream:
    """A stream that FFmpeg may request.

    Attributes:
        url: Its URL.
        headers: Headers of each request.
        size_bytes: Size that the site declares; None if unknown.
        chunk_bytes: Maximum size of one request, which needs `size_bytes`; None for no limit.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    chunk_bytes: int | None = None


@dataclass
class StreamRequest:
    """A request of FFmpeg for a part of a stream, and its state.

    Attributes:
        position: The next byte to send.
        last: The last byte of the request; None for the stream's end.
        failures: Number of failed connections.
        failed: Whether the last connection failed.
        refused: The site has no such bytes.
    """

    stream: Stream
    position: int
    last: int | None
    failures: int = 0
    failed: bool = False
    response: Response | None = None
    refused: bool = False
    answered: threading.Event = field(default_factory=threading.Event)

    def next_last_byte(self) -> int | None:
        """Return the last byte of the next HTTP request; None for the stream's end."""
        chunk = self.stream.chunk_bytes
        if not chunk or not self.stream.size_bytes:
            return self.last
        chunk_end = self.position + chunk - 1
        return chunk_end if self.last is None else min(self.last, chunk_end)

    def http_request(self) -> Request:
        """Return the next HTTP request."""
        last = self.next_last_byte()
        byte_range = f"bytes={self.position}-{'' if last is None else last}"
        headers = {**self.stream.headers, "Accept-Encoding": "identity", "Range": byte_range}
        return Request(self.stream.url, headers=headers)


def response_range(response: Response, stream: Stream) -> tuple[int, int | None]:
    """Return the position of a response's first byte, and the size of the stream if known.

    Raises:
        Damaged: The stream is empty, or does not have the declared size.
    """
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range") or "")
    length = response.headers.get("Content-Length") or ""
    begin, total = 0, stream.size_bytes
    if response.status == HTTPStatus.PARTIAL_CONTENT and found:
        begin, total = int(found[1]), int(found[3]) if found[3] != "*" else total
    elif response.status != HTTPStatus.PARTIAL_CONTENT:
        encoded = response.headers.get("Content-Encoding")
        total = int(length) if _LENGTH.fullmatch(length) and not encoded else None
    if total == 0:
        raise Damaged("empty", "the stream has 0 bytes")
    declared = stream.size_bytes
    if total and declared and abs(total - declared) > SIZE_SLACK_BYTES:
        raise Damaged("wrong-size", f"the stream has {total} bytes, declared {declared}")
    return begin, total


def check_range(request: Request, response: Response) -> None:
    """Raise TransportError when a response holds another part than requested, or less of it.

    yt-dlp would use such a part as if it were complete.
    """
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return
    asked = _RANGE.fullmatch(request.headers.get("Range") or "")
    header = response.headers.get("Content-Range") or ""
    found = _CONTENT_RANGE.fullmatch(header)
    problem = None
    if asked is None or found is None or int(found[1]) != int(asked[1]):
        problem = f"{request.headers.get('Range') or 'the whole'} was requested"
    elif found[3] != "*":
        end = min(int(asked[2] or found[3]), int(found[3]) - 1)
        if int(found[2]) < end:
            problem = f"the stream has more of {asked[0]}"
    if problem:
        response.close()
        raise TransportError(f"incomplete: received part {header!r}, {problem}")


def is_transient(error: RequestError) -> bool:
    """Return whether an immediate retry may succeed: what yt-dlp retries, without Retry-After."""
    if isinstance(error, HTTPError):
        return error.status >= 500 and retry_after_s(error.response.headers) is None
    return isinstance(error, TransportError) and not isinstance(error, CertificateVerifyError)


def duplicate_socket(response: Response) -> socket.socket | None:
    """Duplicate the socket of a response, so that another thread can shut it down; None without."""
    try:
        return socket.socket(fileno=os.dup(response.fp.fileno()))
    except (OSError, ValueError, AttributeError):  # closed already, or not a socket
        return None


def read_block(response: Response) -> bytes:
    """Return the next bytes of a response, empty at its end; every failure is a RequestError."""
    try:
        return response.read(BLOCK_BYTES)
    except (OSError, ValueError) as error:
        raise TransportError(cause=error) from error
