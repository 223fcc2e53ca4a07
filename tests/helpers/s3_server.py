"""moto's S3 on loopback, with faults that a test asks for."""

from __future__ import annotations

import io
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

import fsspec

from yt360.buckets import copies
from yt360.buckets.bucket import Bucket
from yt360.retry import RetryPolicy

KEY = "testing"
_NUMBERS = itertools.count()  # moto's state belongs to the process, not to a server
Environ = dict[str, Any]
Fault = Callable[["Server", Environ, Callable], Iterable[bytes] | None]
"""Answers a request instead of the server, or returns None to pass it on."""


class Server:
    """A running server.

    Attributes:
        url: Its address.
        requests: (method, path) of each request.
        faults: (predicate of method and path, fault) of coming requests; each is used once.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, type: str, message: str, *args: Any) -> None:
                pass

        self.requests: list[tuple[str, str]] = []
        self.faults: list[tuple[Callable[[str, str], bool], Fault]] = []
        self._lock = threading.Lock()
        self.app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @cached_property
    def filesystem(self) -> Any:
        """An s3fs of this server; its connections are kept, since a new one costs 0.1 s."""
        return fsspec.filesystem(
            "s3",
            endpoint_url=self.url,
            key=KEY,
            secret=KEY,
            use_listings_cache=False,
            skip_instance_cache=True,
            client_kwargs={"region_name": "us-east-1"},
            config_kwargs={"retries": {"max_attempts": 1}, "read_timeout": 5},
        )

    def set_environment(self, set_variable: Callable[[str, str], object]) -> None:
        """Let URLs of S3 lead to this server in this process and in those that it starts.

        Args:
            set_variable: Sets an environment variable for the time of the test.
        """
        set_variable("AWS_ENDPOINT_URL", self.url)
        set_variable("AWS_ACCESS_KEY_ID", KEY)
        set_variable("AWS_SECRET_ACCESS_KEY", KEY)
        set_variable("AWS_DEFAULT_REGION", "us-east-1")

    def new_bucket(self) -> str:
        """Create a bucket and return its name."""
        name = f"bucket-{next(_NUMBERS)}"
        self.filesystem.call_s3("create_bucket", Bucket=name)
        return name

    def objects(self, url: str) -> Bucket:
        """Return the objects under a URL, with short delays."""
        return Bucket(url, self.filesystem, RetryPolicy(5, 0.001), time.sleep)

    def fail(self, fault: Fault, method: str, path: str = "", times: int = 1) -> None:
        """Let a fault answer the next requests of a method whose path contains `path`."""

        def matches(asked: str, where: str) -> bool:
            return asked == method and path in where

        self.faults += [(matches, fault)] * times

    def _answer(self, environ: Environ, start: Callable) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self._lock:
            self.requests.append((method, path))
            found = next((each for each in self.faults if each[0](method, path)), None)
            if found is not None:
                self.faults.remove(found)
        if found is not None:
            answer = found[1](self, environ, start)
            if answer is not None:
                return answer
        return self.app(environ, start)


def refused(status: str, code: str) -> Fault:
    """The server answers with an error of S3, such as ``503 Slow Down``."""

    def answer(server: Server, environ: Environ, start: Callable) -> Iterable[bytes]:
        _body(environ)
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        start(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
        return [body.encode()]

    return answer


SLOW_DOWN = refused("503 Slow Down", "SlowDown")
DENIED = refused("403 Forbidden", "AccessDenied")
NO_CONDITIONS = refused("501 Not Implemented", "NotImplemented")


def lost_answer(server: Server, environ: Environ, start: Callable) -> Iterable[bytes]:
    """The server does what is asked, and the connection breaks before its answer arrives."""
    environ["wsgi.input"] = io.BytesIO(_body(environ))
    list(server.app(environ, lambda *_: None))
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start("200 OK", [])
    return []


def lost_request(server: Server, environ: Environ, start: Callable) -> Iterable[bytes]:
    """The connection breaks before the server does anything."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start("200 OK", [])
    return []


def slow(server: Server, environ: Environ, start: Callable) -> None:
    """The answer comes after a while."""
    time.sleep(0.3)


def truncated_upload(server: Server, environ: Environ, start: Callable) -> None:
    """The server stores half of what is uploaded, as if that were all."""
    body = _body(environ)
    for name in [each for each in environ if "CHECKSUM" in each or "MD5" in each]:
        del environ[name]
    environ.pop("HTTP_CONTENT_ENCODING", None)
    environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"
    environ["wsgi.input"] = io.BytesIO(body[: len(body) // 2])
    environ["CONTENT_LENGTH"] = str(len(body) // 2)


def truncated_answer(server: Server, environ: Environ, start: Callable) -> Iterable[bytes]:
    """The server sends half of an object, and ends as if that were all."""
    said: list[Any] = []
    body = b"".join(server.app(environ, lambda *each: said.extend(each)))
    half = body[: len(body) // 2]
    headers = [(k, v) for k, v in said[1] if k.lower() not in ("content-length",)]
    headers = [(k, v) for k, v in headers if "checksum" not in k.lower()]
    start(said[0], [*headers, ("Content-Length", str(len(half)))])
    return [half]


@contextmanager
def running() -> Iterator[Server]:
    """Use the server during the block."""
    server = _server()
    server.requests.clear()
    server.faults.clear()
    try:
        yield server
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # they have its address
        copies._bucket.cache_clear()


@cache
def _server() -> Server:
    return Server()  # one for all tests of a process: it ends with the process


def _body(environ: Environ) -> bytes:
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
