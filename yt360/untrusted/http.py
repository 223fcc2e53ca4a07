"""HTTP requests to untrusted servers: redirects, connections and responses are checked.

This is the only module that follows redirects. `open_url` requests files; yt-dlp's requests use the
same `Redirects` and `guard` (`yt360.crawl.youtube.request_handler`).
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import string
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urljoin

from yt360.untrusted.addresses import MAX_HOPS, Forbidden, Reach, origin_of
from yt360.untrusted.transfer import Watch

# What may be told to another site than the one that was asked.
_HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "range", "user-agent"}
)


def open_url(url: str, reach: Reach, watch: Watch, timeout_s: float) -> HTTPResponse:
    """Open an http(s) address; redirects are followed where `reach` allows it.

    Proxies are taken from the environment (``http_proxy``, ``https_proxy``, ``no_proxy``). A proxy
    resolves names itself: then only what an address spells out is checked, not what its name
    resolves to.

    Args:
        url: The address.
        reach: Where requests may go.
        watch: Limits the answer, from its first byte.
        timeout_s: Socket timeout in seconds.

    Raises:
        Forbidden: It redirects to where it must not, or resolves to no public address.
        ValueError: It is malformed.
        urllib.error.HTTPError: The server answers with an error status.
        OSError: It cannot be reached, or answers too slowly.
        http.client.HTTPException: It does not answer in HTTP.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Handler(reach, lambda: watch),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        Redirects(reach),
    ):
        opener.add_handler(handler)
    answer: HTTPResponse = opener.open(url, timeout=timeout_s)
    return answer


class Redirects(urllib.request.BaseHandler):
    """Follows the redirects of an opener of ``urllib``, each after `Reach.check_hop`.

    A request that changes the site keeps only headers that say nothing about the user. Bodies of
    redirects are not read.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def http_error_302(
        self, req: urllib.request.Request, fp: Any, code: int, _msg: str, headers: Any
    ) -> Any:
        """Ask at the address that an answer names; None where it names none."""
        location = headers.get("Location")
        if location is None:
            return None
        fp.close()
        source = req.full_url
        location = quote(location, encoding="iso-8859-1", safe=string.punctuation)
        try:
            target = urljoin(source, location)
        except ValueError as error:
            raise Forbidden(f"{source} redirects to no valid address: {error}") from None
        self._reach.check_hop(source, target)
        hops = getattr(req, "hops", 0) + 1
        if hops > MAX_HOPS:
            raise Forbidden(f"{source} redirects for the {hops}th time")
        method, data = _method_after(code, req)
        kept = {
            name: value
            for name, value in req.headers.items()
            if name.lower() != "cookie"  # the jar knows which belong there
            and (origin_of(source) == origin_of(target) or name.lower() in _HARMLESS_HEADERS)
            and (data is not None or name.lower() not in ("content-length", "content-type"))
        }
        new = urllib.request.Request(
            target,
            data,
            kept,
            origin_req_host=req.origin_req_host,
            unverifiable=True,
            method=method,
        )
        new.hops = hops  # type: ignore[attr-defined]
        return self.parent.open(new, timeout=req.timeout)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def guard(connection: HTTPConnection, reach: Reach | None, watch: Watch) -> HTTPConnection:
    """Return a connection that connects where `reach` allows (None: anywhere) and is watched."""
    if reach is not None:
        connection._create_connection = reach.connect  # type: ignore[attr-defined]
    connection.response_class = functools.partial(_Answer, watch=watch)  # type: ignore[assignment]
    return connection


def is_proxied(request: urllib.request.Request) -> bool:
    """Return whether a request goes to an HTTP proxy, which then connects to the site."""
    return request.has_proxy() or getattr(request, "_tunnel_host", None) is not None


class _Handler(urllib.request.AbstractHTTPHandler):
    """Opens http and https with guarded connections."""

    def __init__(self, reach: Reach, new_watch: Callable[[], Watch]) -> None:
        super().__init__()
        self._reach, self._new_watch = reach, new_watch

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self._open(HTTPConnection, req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self._open(HTTPSConnection, req)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def _open(self, kind: type[HTTPConnection], req: urllib.request.Request) -> HTTPResponse:
        reach = None if is_proxied(req) else self._reach

        def connect(host: str, **options: Any) -> HTTPConnection:
            return guard(kind(host, **options), reach, self._new_watch())

        return self.do_open(connect, req)


class _Answer(http.client.HTTPResponse):
    """An answer whose every read from the network is watched."""

    def __init__(self, sock: socket.socket, *args: Any, watch: Watch, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._watch = watch
        self._watched = _WatchedIO(self.fp.detach(), watch)
        self.fp = io.BufferedReader(self._watched)

    def begin(self) -> None:
        """Read the headers, and any number of answers 100 before them, within limits of their own.

        Raises:
            OSError: They are too long, or come too slowly.
        """
        self._watched.watch = self._watch.of_headers()
        super().begin()
        self._watched.watch = self._watch


class _WatchedIO(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, watch: Watch) -> None:
        self._raw, self.watch = raw, watch

    def readinto(self, buffer: Any) -> int:
        return self.watch.wait_for(lambda: self._raw.readinto(buffer) or 0)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


def _method_after(code: int, req: urllib.request.Request) -> tuple[str, Any]:
    """Return method and body of the next request, as browsers do it (RFC 9110, section 15.4)."""
    method = req.get_method()
    if (code == 303 and method != "HEAD") or (code in (301, 302) and method == "POST"):
        return "GET", None
    return method, req.data
