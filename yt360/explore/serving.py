"""Run the server until it is stopped."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from yt360.errors import UserError
from yt360.explore.security import Access, is_loopback

DEFAULT_PORT = 8360
_PORTS_TRIED = 20


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on an address.

    Args:
        host: Name or IP address.
        port: The port; None: the first free one from `DEFAULT_PORT`; 0: any free one.

    Raises:
        UserError: The port is in use, or the address is not one of this machine.
    """
    ports = [port] if port is not None else [*range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED), 0]
    problem: OSError | None = None
    for each in ports:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, each, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            bound = socket.socket(family, kind, protocol)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind(address)
                bound.listen(128)
            except OSError:
                bound.close()
                raise
            return bound
        except OSError as error:
            problem = error
            if error.errno != errno.EADDRINUSE:
                break
    assert problem is not None
    if problem.errno == errno.EADDRINUSE:
        raise UserError(
            f"port {port} of {host} is in use; give another --port, or none to find a free one",
            code="in-use",
            key="--port",
        )
    raise UserError(
        f"cannot listen on {host}, port {ports[0]}: {problem.strerror}; --host is an address of "
        "this machine, such as 127.0.0.1 (only this machine) or 0.0.0.0 (every machine that "
        "reaches it)",
        code="invalid",
        key="--host",
    )


def link_to(host: str, port: int, access: Access) -> str:
    """Return the address that opens the page."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    name = f"[{name}]" if ":" in name else name
    query = "" if access.token is None else f"?token={access.token}"
    return f"http://{name}:{port}/{query}"


def run_server(
    app: ASGIApp, bound: socket.socket, ready: Callable[[], None], stopping: Callable[[], None]
) -> None:
    """Answer requests until the process is interrupted or terminated.

    Args:
        app: The application.
        bound: A socket that listens.
        ready: Called once requests are answered.
        stopping: Called when no more are accepted; it ends what the requests in progress wait for.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    _Server(config, ready, stopping).run(sockets=[bound])


def open_browser(link: str) -> None:
    """Open a link in the browser of the user, without waiting for it."""
    threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()


def has_browser(host: str) -> bool:
    """Return whether the page should open on this machine."""
    if not is_loopback(host):
        return False
    try:
        return webbrowser.get() is not None
    except webbrowser.Error:
        return False


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Requests that are cut off now are no errors.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._stopping()
        await super().shutdown(sockets)
