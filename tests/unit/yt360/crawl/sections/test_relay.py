from __future__ import annotations

import socket
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from helpers.errors import bad_item
from yt_dlp.networking.exceptions import RequestError

from yt360.crawl.sections.http_ranges import BLOCK_BYTES, Stream
from yt360.crawl.sections.relay import Relay
from yt360.crawl.youtube.options import ClientOptions

CONTENT = bytes(range(256)) * 400
PATH = "/media/x.mp4"


@pytest.fixture
def client(make_client, client_options, limiter):
    return make_client(client_options, limiter, threading.Event())


@pytest.fixture
def relayed(youtube, client):
    """Return a context manager that relays a stream; it gives a function to ask for a range."""
    youtube.media[PATH] = CONTENT

    @contextmanager
    def begin(retries=2, sleep=lambda _: None, **source):
        stream = Stream(url=youtube.url + PATH, **source)
        with Relay([stream], client.urlopen, retries, sleep) as relay:
            yield lambda span=None, path="": ask(relay, span, path)

    return begin


def ask(relay, span, path):
    """Ask as FFmpeg does, in a thread, while this one works; return (status, body)."""
    answer = []

    def get():
        request = urllib.request.Request(relay.addresses[0] + path)
        if span:
            request.add_header("Range", span)
        try:
            with urllib.request.urlopen(request) as response:
                answer.append((response.status, response.read()))
        except HTTPError as error:
            answer.append((error.code, b""))
        except (HTTPException, OSError) as error:
            answer.append((None, str(error)))

    thread = threading.Thread(target=get)
    thread.start()
    try:
        while thread.is_alive():
            relay.work()
        relay.check()
    finally:
        relay.__exit__(None, None, None)
        thread.join()
    return answer[0]


@pytest.mark.parametrize("chunk_bytes", [None, 7000, len(CONTENT), 10**6])
@pytest.mark.parametrize(("begin", "end"), [(0, None), (0, 1), (5000, None), (6999, 70_001)])
def test_what_comes_through_is_what_the_site_has(relayed, youtube, begin, end, chunk_bytes):
    with relayed(size_bytes=len(CONTENT), chunk_bytes=chunk_bytes) as get:
        status, body = get(f"bytes={begin}-{'' if end is None else end - 1}")
    assert (status, body) == (206, CONTENT[begin:end])
    if chunk_bytes:
        assert all(sent <= chunk_bytes for _, _, sent in youtube.log)


@pytest.mark.parametrize("fault", ["reset:20000", "short:20000", "hang-up", "500"])
@pytest.mark.parametrize("chunk_bytes", [None, 30_000])
def test_a_stream_that_breaks_is_taken_up_where_it_broke(relayed, youtube, fault, chunk_bytes):
    youtube.script[PATH] = [fault, fault]
    sleeps = []
    with relayed(sleep=sleeps.append, size_bytes=len(CONTENT), chunk_bytes=chunk_bytes) as get:
        assert get("bytes=100-") == (206, CONTENT[100:])
    assert sleeps == [0, 1]
    assert youtube.sent(PATH) <= len(CONTENT) + 2 * BLOCK_BYTES, "a block that broke comes again"


def test_a_stream_that_keeps_breaking_is_given_up(relayed, youtube):
    youtube.script[PATH] = ["short:10"] * 9
    with pytest.raises(RequestError), relayed() as get:
        get()
    assert len(youtube.script[PATH]) == 9 - 3


def test_a_size_that_was_not_declared_is_damage(relayed):
    with bad_item("wrong-size"), relayed(size_bytes=5) as get:
        get()


def test_bytes_that_are_not_there_are_no_failure_of_the_stream(relayed):
    with relayed() as get:
        assert get(f"bytes={len(CONTENT)}-") == (416, b"")


@pytest.mark.parametrize(("span", "path"), [(None, "x"), ("bytes=-5", ""), ("lines=1-2", "")])
def test_who_does_not_know_the_address_gets_nothing(relayed, youtube, span, path):
    with relayed() as get:
        assert get(span, path) == (404, b"")
    assert not youtube.log


def test_no_more_than_the_stream_has_comes_through(raw_server, make_client, limiter):
    lines = ["HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-9/10", "", "x" * 5000]
    server = raw_server("\r\n".join(lines).encode())
    options = ClientOptions(allow_urls=(server.url,))
    client = make_client(options, limiter, threading.Event())
    answer = []

    def get_raw(address):
        url = urlsplit(address)
        with (
            socket.create_connection((url.hostname, url.port)) as line,
            line.makefile("rb") as file,
        ):
            line.sendall(f"GET {url.path} HTTP/1.1\r\nRange: bytes=0-\r\n\r\n".encode())
            answer.append(file.read())

    with Relay([Stream(url=server.url, size_bytes=10)], client.urlopen) as relay:
        thread = threading.Thread(target=get_raw, args=(relay.addresses[0],))
        thread.start()
        while thread.is_alive():
            relay.work()
    assert answer[0].endswith(b"\r\n\r\n" + b"x" * 10)


def test_each_relay_has_a_secret_of_its_own(client):
    sources = [Stream(url="https://www.youtube.com/")] * 20
    with Relay(sources, client.urlopen) as relay:
        secrets = {address.rpartition("/")[2] for address in relay.addresses}
    assert len(secrets) == 20 and all(len(secret) >= 20 for secret in secrets)


def test_a_relay_that_ends_hangs_up_on_the_site(youtube, client):
    youtube.media[PATH] = CONTENT
    youtube.script[PATH] = ["drip"]
    before = threading.active_count()
    with Relay([Stream(url=youtube.url + PATH)], client.urlopen) as relay:
        thread = threading.Thread(target=read_what_comes, args=(relay.addresses[0],))
        thread.start()
        while not relay.connections:
            relay.work()
        time.sleep(0.3)  # now the relay waits for the rest of a block
    deadline = time.monotonic() + 4  # which takes twice as long
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before


def read_what_comes(address):
    with suppress(OSError, HTTPException), urllib.request.urlopen(address) as response:
        response.read()
