"""A relay on loopback, through which FFmpeg gets its streams as everything else gets its requests.

FFmpeg opens addresses by itself: it knows no allow-list, no limiter and no SOCKS proxy, and an exit
code is all that it tells about a refusal. So it is given addresses of this relay. Threads of the
relay talk to FFmpeg; the connections behind them are opened by the thread that owns the client,
where a failure is an exception like any other. A stream that breaks is taken up again where it
broke, without FFmpeg noticing.
"""

from __future__ import annotations

import queue
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType

from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import (
    HTTPError,
    RequestError,
    TransportError,
)

from yt360.crawl.failures import Damaged
from yt360.crawl.sections.http_ranges import Ask, Source, extent, may_pass, own_socket, read_block

_SEND_BUFFER_BYTES = 64 * 1024  # FFmpeg often hangs up early: little should be under way to it
_POLL_S = 0.05
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Relay:
    """Serves streams on loopback while its owner calls `work`. A context manager.

    Args:
        sources: The streams.
        open_url: Sends a request; called by the owner's thread only.
        retries: Times that a broken connection is taken up again.
        nap: Sleeps before the n-th of these, counted from 0.
        rate_bytes_per_s: Cap of all streams together; None for no cap.

    Attributes:
        addresses: What to give to FFmpeg, in the order of the sources. They cannot
            be guessed.
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
        self._asked: queue.SimpleQueue[Ask] = queue.SimpleQueue()
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

    def _connect(self, ask: Ask) -> Response:
        """Open what is to come now, again and again if need be."""
        while True:
            if ask.broke:
                self._nap(ask.breaks - 1)
                ask.broke = False
            self.connections += 1
            try:
                return self._open_url(ask.request())
            except RequestError as error:
                ask.breaks, ask.broke = ask.breaks + 1, True
                if ask.breaks > self._retries or not may_pass(error):
                    raise

    # What the threads that talk to FFmpeg do

    def answer(self, talk: BaseHTTPRequestHandler) -> None:
        """Answer one request of FFmpeg's."""
        source = self._paths.get(talk.path)
        span = _RANGE.fullmatch(talk.headers.get("Range", "bytes=0-"))
        if source is None or span is None:
            talk.send_error(HTTPStatus.NOT_FOUND)
            return
        ask = Ask(source, int(span[1]), int(span[2]) if span[2] else None)
        try:
            self._stream(talk, ask)
        except OSError:
            raise  # FFmpeg has hung up
        except Exception as error:
            self._failure = self._failure or error

    def _stream(self, talk: BaseHTTPRequestHandler, ask: Ask) -> None:
        """Answer FFmpeg with what one connection after the other brings, until it has all."""
        end: int | None = None
        begun = False
        while (response := self._wait_for(ask)) is not None:
            seekable = False
            try:
                begin, total = extent(response, ask.source)
                if begin != ask.position:
                    raise Damaged("truncated", f"byte {begin} came instead of {ask.position}")
                seekable = response.status == HTTPStatus.PARTIAL_CONTENT and total is not None
                if not begun:
                    end = total if ask.last is None else min(ask.last + 1, total or ask.last + 1)
                    _send_head(talk, response, ask.position if seekable else None, end, total)
                    begun = True
                last = ask.last_now()
                self._pump(talk, ask, response, end)
                if end is None or ask.position >= end:
                    return
                if last is None or ask.position <= last:
                    raise TransportError(f"{ask.position} of {end} bytes read")
            except TransportError:
                ask.breaks, ask.broke = ask.breaks + 1, True
                if ask.breaks > self._retries or not seekable:
                    raise
            finally:
                response.close()
        if ask.refused:
            talk.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)

    def _wait_for(self, ask: Ask) -> Response | None:
        """Return a connection that the owner has opened; None when there is none to be had."""
        ask.response = None
        ask.answered.clear()
        self._asked.put(ask)
        while not ask.answered.wait(_POLL_S):
            if self._closed.is_set():
                return None
        return ask.response

    def _pump(
        self, talk: BaseHTTPRequestHandler, ask: Ask, response: Response, end: int | None
    ) -> None:
        """Pass on what a connection brings, up to its end or to byte `end` of the stream."""
        line = own_socket(response)
        with self._lock:
            if line is not None:
                self._sockets.add(line)
        try:
            while not self._closed.is_set() and (block := read_block(response)):
                self._hold_back(len(block))
                block = block[: None if end is None else end - ask.position]
                talk.wfile.write(block)
                ask.position += len(block)
                if ask.position == end:
                    break
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


def _send_head(
    talk: BaseHTTPRequestHandler,
    response: Response,
    begin: int | None,
    end: int | None,
    total: int | None,
) -> None:
    """Begin the answer to FFmpeg: from byte `begin`, or all of a stream that cannot seek (None)."""
    talk.send_response(HTTPStatus.OK if begin is None else HTTPStatus.PARTIAL_CONTENT)
    kind = _MEDIA_TYPE.match(response.headers.get("Content-Type") or "")
    talk.send_header("Content-Type", kind[0] if kind else "video/mp4")
    if end is not None:
        talk.send_header("Content-Length", str(end - (begin or 0)))
    if begin is not None and end is not None:
        talk.send_header("Accept-Ranges", "bytes")
        talk.send_header("Content-Range", f"bytes {begin}-{end - 1}/{total}")
    talk.send_header("Connection", "close")
    talk.end_headers()
