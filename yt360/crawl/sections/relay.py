"""A relay on loopback that serves streams to FFmpeg through the yt-dlp client.

FFmpeg opens URLs by itself: it has no allow-list, no rate limit and no SOCKS proxy, and reports a
refusal only by its exit code. So it gets URLs of this relay. Threads of the relay talk to FFmpeg;
the thread that owns the client opens the connections behind them, where a failure is an exception
like any other. A broken stream is resumed where it broke, without FFmpeg noticing.
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
from yt360.crawl.sections.http_ranges import (
    Stream,
    StreamRequest,
    duplicate_socket,
    is_transient,
    read_block,
    response_range,
)

_SEND_BUFFER_BYTES = 64 * 1024  # small, since FFmpeg often closes the connection early
_POLL_S = 0.05
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Relay:
    """Serves streams on loopback while its owner calls `work`. A context manager.

    Args:
        streams: The streams.
        open_url: Sends a request; called by the owner's thread only.
        retries: Maximum number of retries of a broken connection.
        sleep: Sleeps before retry n, counted from 0.
        max_rate_bytes_per_s: Bandwidth limit of all streams together; None for no limit.

    Attributes:
        addresses: Secret URLs for FFmpeg, in the order of the streams.
        relayed_bytes: Number of bytes received so far.
        connections: Number of connections opened.
        deferred_error: A response that may be harmless; the cause if FFmpeg fails.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        open_url: Callable[[Request], Response],
        retries: int = 0,
        sleep: Callable[[int], object] = lambda _: None,
        max_rate_bytes_per_s: float | None = None,
    ) -> None:
        self._open_url = open_url
        self._retries = retries
        self._sleep = sleep
        self._rate = max_rate_bytes_per_s
        self._free_at = 0.0
        self._paths = {f"/{secrets.token_urlsafe(16)}": stream for stream in streams}
        self._requests: queue.SimpleQueue[StreamRequest] = queue.SimpleQueue()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failure: Exception | None = None
        self.relayed_bytes = self.connections = 0
        self.deferred_error: Exception | None = None
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
            for connection in self._sockets:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # wakes the threads that read from it
        self._server.shutdown()
        self._server.server_close()

    def work(self) -> None:
        """Open a connection that FFmpeg requests, or wait briefly for a request.

        Raises:
            Exception: The first failure of a stream, or of `open_url`.
        """
        try:
            request = self._requests.get(timeout=_POLL_S)
        except queue.Empty:
            request = None
        self.check()
        if request is None:
            return
        try:
            request.response = self._connect(request)
        except HTTPError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            self.deferred_error, request.refused = error, True
        request.answered.set()

    def check(self) -> None:
        """Raise the first failure of a stream, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _connect(self, request: StreamRequest) -> Response:
        """Open the next connection, with retries."""
        while True:
            if request.failed:
                self._sleep(request.failures - 1)
                request.failed = False
            self.connections += 1
            try:
                return self._open_url(request.http_request())
            except RequestError as error:
                request.failures, request.failed = request.failures + 1, True
                if request.failures > self._retries or not is_transient(error):
                    raise

    # Called in the threads that talk to FFmpeg

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request of FFmpeg."""
        stream = self._paths.get(handler.path)
        span = _RANGE.fullmatch(handler.headers.get("Range", "bytes=0-"))
        if stream is None or span is None:
            handler.send_error(HTTPStatus.NOT_FOUND)
            return
        request = StreamRequest(stream, int(span[1]), int(span[2]) if span[2] else None)
        try:
            self._stream(handler, request)
        except OSError:
            raise  # FFmpeg closed the connection
        except Exception as error:
            self._failure = self._failure or error

    def _stream(self, handler: BaseHTTPRequestHandler, request: StreamRequest) -> None:
        """Send FFmpeg the data of successive connections until the request is complete."""
        end: int | None = None
        begun = False
        while (response := self._wait_for(request)) is not None:
            seekable = False
            try:
                begin, total = response_range(response, request.stream)
                if begin != request.position:
                    raise Damaged(
                        "truncated", f"received byte {begin} instead of {request.position}"
                    )
                seekable = response.status == HTTPStatus.PARTIAL_CONTENT and total is not None
                if not begun:
                    end = (
                        total
                        if request.last is None
                        else min(request.last + 1, total or request.last + 1)
                    )
                    first = request.position if seekable else None
                    _send_head(handler, response, first, end, total)
                    begun = True
                last = request.next_last_byte()
                self._forward(handler, request, response, end)
                if end is None or request.position >= end:
                    return
                if last is None or request.position <= last:
                    raise TransportError(f"{request.position} of {end} bytes read")
            except TransportError:
                request.failures, request.failed = request.failures + 1, True
                if request.failures > self._retries or not seekable:
                    raise
            finally:
                response.close()
        if request.refused:
            handler.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)

    def _wait_for(self, request: StreamRequest) -> Response | None:
        """Return a connection that the owner opened, or None."""
        request.response = None
        request.answered.clear()
        self._requests.put(request)
        while not request.answered.wait(_POLL_S):
            if self._closed.is_set():
                return None
        return request.response

    def _forward(
        self,
        handler: BaseHTTPRequestHandler,
        request: StreamRequest,
        response: Response,
        end: int | None,
    ) -> None:
        """Send the data of a connection, up to its end or to byte `end` of the stream."""
        connection = duplicate_socket(response)
        with self._lock:
            if connection is not None:
                self._sockets.add(connection)
        try:
            while not self._closed.is_set() and (block := read_block(response)):
                self._throttle(len(block))
                block = block[: None if end is None else end - request.position]
                handler.wfile.write(block)
                request.position += len(block)
                if request.position == end:
                    break
        finally:
            with self._lock:
                if connection is not None:
                    self._sockets.discard(connection)
                    connection.close()

    def _throttle(self, count: int) -> None:
        """Count received bytes; return when the bandwidth limit permits the next ones."""
        with self._lock:
            self.relayed_bytes += count
            if not self._rate:
                return
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._rate
            wait_s = self._free_at - now
        self._closed.wait(wait_s)


class _Server(ThreadingTCPServer):
    """Passes each connection of FFmpeg to the relay, in its own thread."""

    daemon_threads = True

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        super().__init__(("127.0.0.1", 0), _RelayHandler)


class _RelayHandler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().setup()

    def handle(self) -> None:
        with suppress(OSError):  # FFmpeg closes the connection to seek
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
    handler: BaseHTTPRequestHandler,
    response: Response,
    begin: int | None,
    end: int | None,
    total: int | None,
) -> None:
    """Send the headers to FFmpeg; `begin` is the first byte, or None if the stream cannot seek."""
    handler.send_response(HTTPStatus.OK if begin is None else HTTPStatus.PARTIAL_CONTENT)
    kind = _MEDIA_TYPE.match(response.headers.get("Content-Type") or "")
    handler.send_header("Content-Type", kind[0] if kind else "video/mp4")
    if end is not None:
        handler.send_header("Content-Length", str(end - (begin or 0)))
    if begin is not None and end is not None:
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Range", f"bytes {begin}-{end - 1}/{total}")
    handler.send_header("Connection", "close")
    handler.end_headers()
