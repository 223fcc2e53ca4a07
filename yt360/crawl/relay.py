"""A relay on loopback, through which FFmpeg gets its streams as everything else gets its requests.

FFmpeg opens addresses by itself: it knows no allow-list, no pace and no SOCKS proxy, and an exit
code is all that it tells about a refusal. So it is given addresses of this relay. Threads of the
relay talk to FFmpeg; the connections behind them are opened by the thread that owns the session,
where a failure is an exception like any other. A stream that breaks is taken up again where it
broke, without FFmpeg noticing.
"""

from __future__ import annotations

import os
import queue
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType

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
_SEND_BUFFER_BYTES = 64 * 1024  # FFmpeg often hangs up early: little should be under way to it
_POLL_S = 0.05
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


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
class _Ask:
    """What FFmpeg wants of a stream, and what has become of it.

    Attributes:
        position: The next byte to send.
        last: The last byte that FFmpeg wants; None for the stream's end.
        breaks: How often the connection failed and was taken up again.
        refused: The site has no such bytes.
    """

    source: Source
    position: int
    last: int | None
    breaks: int = 0
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
        last = self.last_now()
        span = f"bytes={self.position}-{'' if last is None else last}"
        headers = {**self.source.headers, "Accept-Encoding": "identity", "Range": span}
        return Request(self.source.url, headers=headers)


class Relay:
    """Serves streams on loopback while its owner calls `work`. A context manager.

    Args:
        sources: The streams.
        open_url: Sends a request; called by the owner's thread only.
        retries: Times that a broken connection is taken up again.
        nap: Sleeps before the n-th of these, counted from 0.
        rate_bytes_per_s: Cap of all streams together; None for no cap.

    Attributes:
        addresses: What to give to FFmpeg, in the order of the sources. They hold a secret, so no
            other program of this machine can use them.
        relayed_bytes: How much has come in so far.
        connections: How many connections were opened.
        doubt: An answer that may be harmless; what went wrong if FFmpeg fails.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        open_url: Callable[[Request], Response],
        retries: int = 0,
        nap: Callable[[int], object] = lambda _: None,
        rate_bytes_per_s: float | None = None,
    ) -> None:
        self._open_url = open_url
        self._retries = retries
        self._nap = nap
        self._rate = rate_bytes_per_s
        self._free_at = 0.0
        self._paths = {f"/{secrets.token_urlsafe(16)}": source for source in sources}
        self._asked: queue.SimpleQueue[_Ask] = queue.SimpleQueue()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failure: Exception | None = None
        self.relayed_bytes = self.connections = 0
        self.doubt: Exception | None = None
        self._server = _Server(self)
        port = self._server.server_address[1]
        self.addresses = [f"http://127.0.0.1:{port}{path}" for path in self._paths]

    def __enter__(self) -> Relay:
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="relay", daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        with self._lock:
            for line in self._sockets:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)  # wakes the threads that read from them
        self._server.shutdown()
        self._server.server_close()

    def work(self) -> None:
        """Open what FFmpeg has asked for, or wait a moment for it to ask.

        Raises:
            Exception: The first failure of a stream, or of `open_url`.
        """
        try:
            ask = self._asked.get(timeout=_POLL_S)
        except queue.Empty:
            ask = None
        self.check()
        if ask is None:
            return
        try:
            ask.response = self._connect(ask)
        except HTTPError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            self.doubt, ask.refused = error, True
        ask.answered.set()

    def check(self) -> None:
        """Raise the first failure of a stream, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _connect(self, ask: _Ask) -> Response:
        while True:
            if ask.breaks:
                self._nap(ask.breaks - 1)
            self.connections += 1
            try:
                return self._open_url(ask.request())
            except RequestError as error:
                ask.breaks += 1
                if ask.breaks > self._retries or not _may_pass(error):
                    raise

    # What the threads that talk to FFmpeg do

    def answer(self, talk: BaseHTTPRequestHandler) -> None:
        """Answer one request of FFmpeg's."""
        source = self._paths.get(talk.path)
        span = _RANGE.fullmatch(talk.headers.get("Range", "bytes=0-"))
        if source is None or span is None:
            talk.send_error(HTTPStatus.NOT_FOUND)
            return
        ask = _Ask(source, int(span[1]), int(span[2]) if span[2] else None)
        try:
            self._stream(talk, ask)
        except OSError:
            raise  # FFmpeg has hung up
        except Exception as error:
            self._failure = self._failure or error

    def _stream(self, talk: BaseHTTPRequestHandler, ask: _Ask) -> None:
        end: int | None = None
        begun = False
        while (response := self._wait_for(ask)) is not None:
            seekable = False
            try:
                begin, total = _extent(response, ask.source)
                if begin != ask.position:
                    raise Damaged("truncated", f"byte {begin} came instead of {ask.position}")
                seekable = response.status == HTTPStatus.PARTIAL_CONTENT and total is not None
                if not begun:
                    end = total if ask.last is None else min(ask.last + 1, total or ask.last + 1)
                    _send_head(talk, response, ask.position if seekable else None, end, total)
                    begun = True
                last = ask.last_now()
                self._pump(talk, ask, response)
                if end is None or ask.position >= end:
                    return
                if last is None or ask.position <= last:
                    raise TransportError(f"{ask.position} of {end} bytes read")
            except TransportError:
                ask.breaks += 1
                if ask.breaks > self._retries or not seekable:
                    raise
            finally:
                response.close()
        if ask.refused:
            talk.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)

    def _wait_for(self, ask: _Ask) -> Response | None:
        """Return a connection that the owner has opened; None when there is none to be had."""
        ask.response = None
        ask.answered.clear()
        self._asked.put(ask)
        while not ask.answered.wait(_POLL_S):
            if self._closed.is_set():
                return None
        return ask.response

    def _pump(self, talk: BaseHTTPRequestHandler, ask: _Ask, response: Response) -> None:
        """Pass on what a connection brings, up to its end."""
        line = _own_socket(response)
        with self._lock:
            if line is not None:
                self._sockets.add(line)
        try:
            while not self._closed.is_set() and (block := _read(response)):
                self._hold_back(len(block))
                talk.wfile.write(block)
                ask.position += len(block)
        finally:
            with self._lock:
                if line is not None:
                    self._sockets.discard(line)
                    line.close()

    def _hold_back(self, count: int) -> None:
        """Count bytes that came in; return when they were due."""
        with self._lock:
            self.relayed_bytes += count
            if not self._rate:
                return
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._rate
            wait_s = self._free_at - now
        self._closed.wait(wait_s)


class _Server(ThreadingTCPServer):
    """Hands each connection of FFmpeg's to the relay, in a thread of its own."""

    daemon_threads = True

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        super().__init__(("127.0.0.1", 0), _Talk)


class _Talk(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().setup()

    def handle(self) -> None:
        with suppress(OSError):  # FFmpeg hangs up when it wants to be elsewhere in the stream
            self.handle_one_request()
        self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self.server.relay.answer(self)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _extent(response: Response, source: Source) -> tuple[int, int | None]:
    """Return the first byte of what a response holds, and the size of the whole stream if known.

    Raises:
        Damaged: The stream is empty, or has not the size that was declared.
    """
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range") or "")
    length = response.headers.get("Content-Length") or ""
    begin, total = 0, source.size_bytes
    if response.status == HTTPStatus.PARTIAL_CONTENT and found:
        begin, total = int(found[1]), int(found[2]) if found[2] != "*" else total
    elif response.status != HTTPStatus.PARTIAL_CONTENT:
        encoded = response.headers.get("Content-Encoding")
        total = int(length) if length.isdigit() and not encoded else None
    if total == 0:
        raise Damaged("empty", "the stream has 0 bytes")
    declared = source.size_bytes
    if total and declared and abs(total - declared) > SIZE_SLACK_BYTES:
        raise Damaged("wrong-size", f"the stream has {total} bytes, declared {declared}")
    return begin, total


def _send_head(
    talk: BaseHTTPRequestHandler,
    response: Response,
    begin: int | None,
    end: int | None,
    total: int | None,
) -> None:
    """Begin the answer to FFmpeg: from byte `begin`, or all of a stream that cannot seek (None)."""
    talk.send_response(HTTPStatus.OK if begin is None else HTTPStatus.PARTIAL_CONTENT)
    talk.send_header("Content-Type", response.headers.get("Content-Type") or "video/mp4")
    if end is not None:
        talk.send_header("Content-Length", str(end - (begin or 0)))
    if begin is not None and end is not None:
        talk.send_header("Accept-Ranges", "bytes")
        talk.send_header("Content-Range", f"bytes {begin}-{end - 1}/{total}")
    talk.send_header("Connection", "close")
    talk.end_headers()


def _may_pass(error: RequestError) -> bool:
    """Return whether asking again at once may help: what yt-dlp retries, unless told to wait."""
    if isinstance(error, HTTPError):
        return error.status >= 500 and retry_after_s(error.response.headers) is None
    return isinstance(error, TransportError) and not isinstance(error, CertificateVerifyError)


def _own_socket(response: Response) -> socket.socket | None:
    """Return a second handle of a response's connection, which can be shut from another thread."""
    try:
        return socket.socket(fileno=os.dup(response.fp.fileno()))
    except (OSError, ValueError, AttributeError):  # it has ended already, or is no socket
        return None


def _read(response: Response) -> bytes:
    try:
        return response.read(BLOCK_BYTES)
    except (OSError, ValueError) as error:
        raise TransportError(cause=error) from error
