"""The request handler of yt-dlp: its urllib handler, with checks of redirects and connections.

yt-dlp's other handlers (requests, curl_cffi, websockets) are not used, since they follow redirects
and connect to any address that a name resolves to.
"""

from __future__ import annotations

import http.client
import io
import urllib.request
import urllib.response
import zlib
from collections.abc import Callable
from typing import Any

from yt_dlp.networking import Request
from yt_dlp.networking._helper import add_accept_encoding_header
from yt_dlp.networking._urllib import HTTPHandler, ProxyHandler, UrllibRH

from yt360.untrusted.addresses import Reach
from yt360.untrusted.http import Redirects, guard, is_proxied
from yt360.untrusted.transfer import TooMuch, Watch

MAX_PAGE_BYTES = 32 << 20
"""Maximum size of a page or an API response, decompressed."""
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_MAX_ENCODINGS = 2
_SOCKS_HEADER = "Ytdl-socks-proxy"  # by which yt-dlp's ProxyHandler tells its HTTPHandler


class CheckedRH(UrllibRH):
    """Sends requests over http and https to the addresses that `reach` allows.

    The proxy is that of the client or of the environment (http or SOCKS), for all requests. A proxy
    resolves names itself, so only the text of a URL is checked then.

    Args:
        reach: The allowed addresses.
        new_watch: Makes the watch over the next response.
        options: The options that yt-dlp passes to its handlers.
    """

    _SUPPORTED_URL_SCHEMES = ("http", "https")

    def __init__(self, *, reach: Reach, new_watch: Callable[[], Watch], **options: Any) -> None:
        super().__init__(**options)
        self._reach, self._new_watch = reach, new_watch

    def _create_instance(
        self, proxies: Any, cookiejar: Any, legacy_ssl_support: Any = None
    ) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        context = self._make_sslcontext(legacy_ssl_support=legacy_ssl_support)
        for handler in (
            ProxyHandler(proxies),
            _GuardedHandler(self._reach, self._new_watch, context=context),
            urllib.request.HTTPCookieProcessor(cookiejar),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            Redirects(self._reach),
        ):
            opener.add_handler(handler)
        opener.addheaders = []
        return opener

    def _prepare_headers(self, _: Request, headers: Any) -> None:
        add_accept_encoding_header(headers, list(_WINDOW_BITS))


class _GuardedHandler(HTTPHandler):
    """yt-dlp's handler of http and https, with checked connections and limited decompression."""

    def __init__(self, reach: Reach, new_watch: Callable[[], Watch], **options: Any) -> None:
        super().__init__(**options)
        self._reach, self._new_watch = reach, new_watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(http.client.HTTPConnection, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(http.client.HTTPSConnection, req, context=self._context)

    def http_response(self, _req: urllib.request.Request, response: Any) -> Any:
        """Return a decompressed response; raises TooMuch beyond `MAX_PAGE_BYTES`."""
        header = response.headers.get("Content-Encoding", "").lower()
        encodings = [name for name in map(str.strip, header.split(",")) if name in _WINDOW_BITS]
        if not encodings:
            return response
        if len(encodings) > _MAX_ENCODINGS:
            raise TooMuch(f"the response is compressed {len(encodings)} times")
        content = response.read()
        for name in reversed(encodings):
            content = _decompressed(content, name)
        response_body = urllib.response.addinfourl(
            io.BytesIO(content), response.headers, response.url, response.code
        )
        response_body.msg = response.msg  # type: ignore[attr-defined]
        return response_body

    https_response = http_response

    def _open(
        self, kind: type[http.client.HTTPConnection], req: urllib.request.Request, **options: Any
    ) -> http.client.HTTPResponse:
        direct = not is_proxied(req) and _SOCKS_HEADER not in req.headers
        kind = self._make_conn_class(kind, req)

        def connect(host: str, **more: Any) -> http.client.HTTPConnection:
            return guard(kind(host, **more), self._reach if direct else None, self._new_watch())

        return self.do_open(connect, req, **options)


def _decompressed(content: bytes, encoding: str) -> bytes:
    """Return decompressed content of at most `MAX_PAGE_BYTES`.

    Raises:
        TooMuch: The content is longer.
        EOFError: The content is incomplete.
        zlib.error: The content is corrupt.
    """
    decompressor = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        result = decompressor.decompress(content, MAX_PAGE_BYTES + 1)
    except zlib.error:
        if encoding != "deflate":
            raise
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers omit the header
        result = decompressor.decompress(content, MAX_PAGE_BYTES + 1)
    if len(result) > MAX_PAGE_BYTES:
        raise TooMuch(f"the response has more than {MAX_PAGE_BYTES} bytes")
    if content and not decompressor.eof:
        raise EOFError("the compressed response ends early")
    return result
