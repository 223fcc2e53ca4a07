"""Requests of yt-dlp reach allowed sites alone, bring no more than they may, and run no plugins."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import zlib

import pytest
from helpers.errors import bad_item
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import DownloadError

from yt360.crawl.download.config import TransferOptions
from yt360.crawl.download.transfer_monitor import TransferMonitor
from yt360.crawl.failures import classify
from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.options import ClientOptions
from yt360.crawl.youtube.request_handler import MAX_PAGE_BYTES
from yt360.untrusted.transfer import TransferLimits


def head(*lines, status="200 OK"):
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, "")).encode()


def body(content, *lines, status="200 OK"):
    return head(f"Content-Length: {len(content)}", *lines, status=status) + content


def redirect(url, code=302):
    return head(f"Location: {url}", "Content-Length: 0", status=f"{code} Found")


OK = body(b"ok")


@pytest.fixture
def open_client(limiter):
    """Return a function that opens a client for which some servers are allowed."""

    def start(*servers, **options):
        allowed = tuple(f"{server.url}/media/" for server in servers)
        options = ClientOptions(allow_urls=allowed, timeout_s=5.0, **options)
        return YoutubeClient(options, limiter, threading.Event())

    return start


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_site_that_is_not_allowed_is_not_even_asked(raw_server, open_client, code):
    other = raw_server(OK)
    server = raw_server(redirect(f"{other.url}/media/x", code))
    with bad_item("forbidden-site"):
        open_client(server).urlopen(f"{server.url}/media/x")
    assert len(server.requests) == 1 and not other.requests


def test_a_path_that_is_not_allowed_is_not_asked_either(raw_server, open_client):
    server = raw_server(redirect("/secret"))
    with bad_item("forbidden-site"):
        open_client(server).urlopen(f"{server.url}/media/x")
    assert len(server.requests) == 1


def test_another_allowed_site_is_asked_and_told_nothing_of_the_user(raw_server, open_client):
    other = raw_server(OK)
    server = raw_server(redirect(f"{other.url}/media/y"))
    private = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Goog-AuthUser": "0"}
    request = Request(f"{server.url}/media/x", headers={**private, "Range": "bytes=0-"})
    answer = open_client(server, other).urlopen(request)
    assert answer.read() == b"ok" and answer.url == f"{other.url}/media/y"
    assert "Bearer" in server.requests[0] and "Range: bytes=0-" in other.requests[0]
    assert not any(name.lower() in other.requests[0].lower() for name in private)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_a_redirect_to_no_web_address_is_refused(raw_server, open_client, target):
    server = raw_server(redirect(target))
    with bad_item("forbidden-site"):
        open_client(server).urlopen(f"{server.url}/media/x")


def test_the_body_goes_along_where_the_method_stays(raw_server, open_client):
    server = raw_server(redirect("/media/y", 307), OK)
    open_client(server).urlopen(Request(f"{server.url}/media/x", data=b'{"a": 1}'))
    assert [request.split()[0] for request in server.requests] == ["POST", "POST"]


def test_there_is_one_handler_and_it_knows_no_files(open_client):
    client = open_client()
    (handler,) = client._request_director.handlers.values()
    assert handler._SUPPORTED_URL_SCHEMES == ("http", "https")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_packed_pages_are_unpacked(raw_server, open_client, pack):
    name = "gzip" if pack is gzip.compress else "deflate"
    server = raw_server(body(pack(b"page"), f"Content-Encoding: {name}"))
    assert open_client(server).urlopen(f"{server.url}/media/x").read() == b"page"


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(bytes(MAX_PAGE_BYTES + 1), 1), "gzip"),
        (zlib.compress(bytes(MAX_PAGE_BYTES + 1), 1), "deflate"),
        (gzip.compress(b"page")[:-9], "gzip"),
        (b"page", "gzip"),
        (b"page", ", ".join(["gzip"] * 9)),
    ],
    ids=["bomb", "deflated bomb", "short", "not packed", "many times"],
)
def test_a_page_that_unpacks_badly_is_a_broken_answer(raw_server, open_client, packed, encoding):
    server = raw_server(body(packed, f"Content-Encoding: {encoding}"))
    with pytest.raises(TransportError):
        open_client(server).urlopen(f"{server.url}/media/x")


def test_a_page_without_end_is_cut(raw_server, limiter):
    class Limited(YoutubeClient):
        page_limits = TransferLimits(max_bytes=10_000)

    def endless(_):
        yield head()
        while True:
            yield b"x" * 65536

    server = raw_server(endless)
    options = ClientOptions(allow_urls=(f"{server.url}/media/",), timeout_s=5.0)
    with pytest.raises(TransportError, match="10000 bytes"):
        Limited(options, limiter, threading.Event()).urlopen(f"{server.url}/media/x").read()


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        ("bytes=500-", "bytes 0-99/1000"),
        ("bytes=500-", "bytes 500-599/1000"),
        ("bytes=0-499", "bytes 0-99/1000"),
        ("bytes=500-", "nonsense"),
        ("bytes=500-", ""),
        (None, "bytes 0-99/1000"),
    ],
)
def test_a_part_that_is_not_what_was_asked_for_is_a_broken_answer(
    raw_server, open_client, asked, header
):
    part = body(bytes(100), f"Content-Range: {header}", status="206 Partial Content")
    server = raw_server(part)
    headers = {"Range": asked} if asked else {}
    with pytest.raises(TransportError, match="incomplete"):
        open_client(server).urlopen(Request(f"{server.url}/media/x", headers=headers))


@pytest.mark.parametrize("asked", ["bytes=900-", "bytes=900-999", "bytes=900-2000"])
def test_a_part_that_ends_with_the_stream_is_taken(raw_server, open_client, asked):
    part = body(bytes(100), "Content-Range: bytes 900-999/1000", status="206 Partial Content")
    server = raw_server(part)
    request = Request(f"{server.url}/media/x", headers={"Range": asked})
    assert len(open_client(server).urlopen(request).read()) == 100


@pytest.mark.parametrize("protocol", ["rtmp", "mms", "rtsp", "ism", "websocket_frag", "https+rtmp"])
def test_streams_that_other_programs_would_fetch_are_refused(open_client, protocol):
    with bad_item("no-web-file"):
        open_client().dl("x.mp4", {"url": "rtmp://127.0.0.1/x", "protocol": protocol})


def test_an_answer_with_odd_bytes_is_one_printable_line(raw_server, open_client):
    server = raw_server(head(status="403 \x1b[2J\x07\x9b31m"))
    with pytest.raises(HTTPError) as refusal:
        open_client(server).urlopen(f"{server.url}/media/x")
    failure = classify(DownloadError("ERROR: x", (HTTPError, refusal.value, None)))
    said = classify(refusal.value)
    assert (failure.reason, said.reason) == ("http-403", "http-403")
    assert said.detail.isprintable()


@pytest.fixture
def guarded(tmp_path):
    return TransferMonitor(
        tmp_path, TransferOptions(min_free_bytes=0), threading.Event(), lambda: None
    )


def test_a_stream_that_goes_on_after_its_declared_size_is_ended(guarded):
    status = {"filename": "x", "info_dict": {"filesize": 1000}}
    guarded({**status, "downloaded_bytes": 1100})
    with bad_item("too-long"):
        guarded({**status, "downloaded_bytes": 1101})


def test_a_stream_without_declared_size_ends_somewhere(guarded):
    with bad_item("too-long"):
        guarded({"filename": "x", "downloaded_bytes": 10**11 + 1})


PLUGIN = """
import pathlib
pathlib.Path({!r}).touch()
"""
OPEN_A_SESSION = """
import pathlib, sys, threading
from yt360.crawl.youtube.client import YoutubeClient, ClientOptions
markers = pathlib.Path(sys.argv[1])
client = YoutubeClient(ClientOptions(), None, threading.Event())
assert client.params.get("proxy") is None and not client.params.get("usenetrc")
assert not list(markers.iterdir()), "a plugin ran"

from yt_dlp.globals import plugin_dirs
from yt_dlp.plugins import load_all_plugins
plugin_dirs.value = ["default"]
load_all_plugins()
assert len(list(markers.iterdir())) == 3, "these are no plugins"
"""


def test_plugins_and_configuration_of_the_user_do_not_count(tmp_path):
    markers = tmp_path / "markers"
    markers.mkdir()
    places = ("yt-dlp/plugins/mine", "yt-dlp-plugins/mine", "on-the-path")
    for number, place in enumerate(places):
        folder = tmp_path / place / "yt_dlp_plugins" / "extractor"
        folder.mkdir(parents=True)
        (folder / f"planted{number}.py").write_text(PLUGIN.format(str(markers / str(number))))
    (tmp_path / "yt-dlp" / "config").write_text("--proxy http://127.0.0.1:9/\n--netrc\n")
    path = os.pathsep.join([*filter(None, sys.path), str(tmp_path / "on-the-path")])
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": path}
    command = [sys.executable, "-c", OPEN_A_SESSION, str(markers)]
    subprocess.run(command, env=environment, check=True, timeout=120)
