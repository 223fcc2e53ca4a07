"""Who may talk to the page's server, and what the page may do.

The server shows local files, so a page elsewhere must reach it by no trick: not by a name that
resolves to this machine (DNS rebinding), not by embedding, and not by forms. On other addresses
than loopback, only a link with a token opens it.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'"
)
"""What the page may load. ``index.html`` says it, too, so an export has it from any server."""
CONTENT_SECURITY_POLICY = f"{PAGE_POLICY}; frame-ancestors 'none'"
"""The same, and that no other page may embed it, which only a header can say."""
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer."""
REQUEST_HEADER = "x-explore"
"""Header of requests that change something; forms of other pages cannot send it."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may use the server.

    Attributes:
        hosts: Names in the ``Host`` header that are accepted.
        any_address: Whether an IP address in the ``Host`` header is accepted, too. DNS rebinding
            needs a name.
        token: What the link must contain; None if everybody on this machine may use the server.
        port: Port of the server, part of the name of its cookie.
    """

    hosts: frozenset[str] = field(default=frozenset(LOOPBACK))
    any_address: bool = False
    token: str | None = None
    port: int = 0

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds the token; cookies do not distinguish ports."""
        return f"yt360-explore-{self.port}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def access_for(host: str, port: int) -> Access:
    """Return who may use a server on an address: with a token, unless it is a loopback address."""
    if is_loopback(host):
        return Access(hosts=frozenset((*LOOPBACK, host)), port=port)
    names = {host, socket.gethostname(), socket.getfqdn(), *LOOPBACK}
    return Access(
        hosts=frozenset(name.lower() for name in names),
        any_address=True,
        token=secrets.token_urlsafe(24),
        port=port,
    )


class Guard:
    """Middleware that refuses requests of strangers and adds `HEADERS` to all answers.

    Args:
        app: The application.
        access: Who may use it.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        problem = self._problem(scope["method"], headers)
        if problem is not None:
            code, text = problem
            refusal = JSONResponse({"code": code, "message": text}, status_code=403)
            await refusal(scope, receive, send_with_headers)
        elif self._has_token(query.get("token", ())):
            # The token must not stay in the address bar, in the history and in shared links.
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(
                self.access.cookie, self.access.token or "", httponly=True, samesite="lax"
            )
            await answer(scope, receive, send_with_headers)
        elif self.access.token is not None and not self._has_token(self._cookies(headers)):
            text = "open the link that `yt360 explore` printed; it contains a token"
            refusal = JSONResponse({"code": "token", "message": text}, status_code=403)
            await refusal(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    def _problem(self, method: str, headers: Headers) -> tuple[str, str] | None:
        """Return the code and the reason why a request is refused; None if it is not."""
        host = headers.get("host", "")
        if not self._is_known(host):
            return "host", f"{host[:100]!r} is not a name of this server"
        is_cross = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if is_cross and headers.get("sec-fetch-mode") != "navigate":
            return "cross-site", "another site cannot load parts of this page"
        if method in ("GET", "HEAD"):
            return None
        origin = urlsplit(headers.get("origin", ""))
        if origin.netloc.lower() != host.lower() or REQUEST_HEADER not in headers:
            return "origin", "only the page itself may change something"
        return None

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.access.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.access.any_address

    def _has_token(self, given: Iterable[str]) -> bool:
        token = self.access.token
        return token is not None and any(
            secrets.compare_digest(token.encode(), each.encode(errors="replace")) for each in given
        )

    def _cookies(self, headers: Headers) -> list[str]:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return []
        found = cookies.get(self.access.cookie)
        return [found.value] if found is not None else []
