"""Copies of remote files are whole or not there, whatever a server sends."""

import errno
import hashlib
import io
import itertools
import re
import ssl
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.error import URLError

import fsspec
import pytest
from helpers.errors import bad_item, user_error

from avsa.data.remote import fetching
from avsa.data.remote.fetching import ALLOWED_HOSTS_VARIABLE, LIMITS, RETRIES, RemoteFile
from yt360.errors import BadItem, UserError
from yt360.files import atomic_write

FOUR = hashlib.sha256(b"four").hexdigest()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(fetching, "RETRIES", replace(fetching.RETRIES, first_delay_s=0.001))


@pytest.fixture
def serve(raw_server):
    """Return a function that serves raw answers; it gives an address and the list of requests."""

    def start(*answers):
        server = raw_server(*answers)
        return f"{server.url}/x", server.requests

    return start


def fetch(url, path, size_bytes=None, max_bytes=1 << 30, sha256=FOUR, **options):
    """Fetch a file of a known size, or else of a largest one."""
    known = RemoteFile(url, size_bytes, sha256) if size_bytes else RemoteFile(url, max_bytes)
    with atomic_write(path) as file:
        fetching.fetch(known, file, **options)


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"garbage\r\n\r\n", "BadStatusLine: garbage"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", "ended after 2 of 1000 bytes"),
        (b"", "RemoteDisconnected|closed connection"),
    ],
    ids=["garbage", "chunk", "short", "nothing"],
)
def test_a_broken_answer_is_an_error_after_all_attempts(serve, tmp_path, answer, message):
    url, served = serve(answer)
    with user_error("network", url) as error:
        fetch(url, tmp_path / "x")
    assert re.search(message, str(error.value))
    assert len(served) == RETRIES.max_attempts and not list(tmp_path.iterdir())


def test_a_body_that_was_cut_off_is_fetched_again(serve, tmp_path):
    url, served = serve(WHOLE[:-1], b"garbage\r\n\r\n", WHOLE)
    fetch(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"four" and len(served) == 3


def test_nothing_of_an_earlier_longer_answer_remains(serve, tmp_path):
    url, _ = serve(head("Content-Length: 1000") + b"more than four", WHOLE)
    fetch(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"four"


@pytest.mark.parametrize(
    "url", ["http://localhost:notaport/x", "http://[::1/x", "https://example.org/my data"]
)
def test_invalid_urls_are_refused_at_once(tmp_path, url):
    with user_error("invalid"):
        fetch(url, tmp_path / "x")


def test_errors_of_other_backends_are_one_line(tmp_path, monkeypatch):
    class OddError(Exception):
        pass

    def fail(*args):
        raise OddError("token\nexpired")

    monkeypatch.setattr(fsspec, "open", fail)
    with user_error("network", "s3://bucket/x") as error:
        fetch("s3://bucket/x", tmp_path / "x")
    assert "OddError: token expired" in str(error.value)


def test_an_unknown_scheme_is_refused(tmp_path):
    with user_error("invalid"):
        fetch("nonsense://x/y", tmp_path / "y")


@pytest.mark.parametrize(
    ("url", "package"),
    [("s3://bucket/x", "s3fs"), ("gs://bucket/x", "gcsfs"), ("other://bucket/x", None)],
)
def test_a_package_that_is_not_installed_is_named_at_once(tmp_path, monkeypatch, url, package):
    calls = []

    def fail(*args):
        calls.append(args)
        raise ImportError("Install otherfs to access other")

    monkeypatch.setattr(fsspec, "open", fail)
    with user_error("dependency", url) as error:
        fetch(url, tmp_path / "x")
    assert f"pip install {package}" in str(error.value) or package is None
    assert len(calls) == 1


def test_a_cancelled_copy_ends(serve, tmp_path):
    url, served = serve(WHOLE)
    cancelled = threading.Event()
    cancelled.set()
    with user_error("network", url):
        fetch(url, tmp_path / "x", cancelled=cancelled)
    assert len(served) == 1 and not list(tmp_path.iterdir())


def head(*lines, status="200 OK"):
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, "")).encode()


def endless(*lines, block=b"x" * 65536):
    """Return an answer without an end."""
    return lambda _: itertools.chain([head(*lines)], itertools.repeat(block))


@pytest.mark.parametrize(
    "answer",
    [endless(), endless("Transfer-Encoding: chunked", block=b"400\r\n" + b"x" * 1024 + b"\r\n")],
    ids=["body", "chunks"],
)
@pytest.mark.parametrize("size", [{"size_bytes": 100_000}, {"max_bytes": 100_000}])
def test_a_body_without_end_is_cut_at_the_size(serve, tmp_path, answer, size):
    url, _ = serve(answer)
    with bad_item("wrong-size"):
        fetch(url, tmp_path / "x", **size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("announced", [3, 5, 10**14])
def test_another_size_than_announced_is_refused_before_the_body(serve, tmp_path, announced):
    url, _ = serve(head(f"Content-Length: {announced}"))
    with bad_item("wrong-size"):
        fetch(url, tmp_path / "x", size_bytes=4)


def test_a_file_beyond_its_limit_is_refused_before_the_body(serve, tmp_path):
    url, _ = serve(head("Content-Length: 100000000000000"))
    with bad_item("wrong-size"):
        fetch(url, tmp_path / "x", max_bytes=1000)


def test_a_body_without_announced_length_that_ends_early_is_refused(serve, tmp_path):
    url, _ = serve(head() + b"fou")
    with bad_item("wrong-size"):
        fetch(url, tmp_path / "x", size_bytes=4)


def test_what_follows_the_announced_length_is_left_out(serve, tmp_path):
    url, _ = serve(WHOLE + b"more")
    fetch(url, tmp_path / "x", size_bytes=4)
    assert (tmp_path / "x").read_bytes() == b"four"


@pytest.mark.parametrize("status", ["206 Partial Content", "203 Changed", "299 Odd"])
def test_an_answer_that_is_not_the_whole_file_is_refused(serve, tmp_path, status):
    url, _ = serve(head("Content-Length: 4", status=status) + b"four")
    with user_error("network", url):
        fetch(url, tmp_path / "x", size_bytes=4)


@pytest.mark.parametrize("start", [b"", head("Content-Length: 1000")], ids=["head", "body"])
def test_a_trickle_is_too_slow(serve, tmp_path, start):
    def trickle(_):
        yield start
        while True:
            time.sleep(0.01)
            yield b"x"

    url, served = serve(trickle)
    limits = replace(LIMITS, window_s=0.05)
    with user_error("network", url) as error:
        fetch(url, tmp_path / "x", size_bytes=1000, limits=limits)
    assert "too slow" in str(error.value)
    assert len(served) == RETRIES.max_attempts


def test_a_file_for_which_there_is_no_room_is_not_begun(serve, tmp_path):
    url, served = serve(head(f"Content-Length: {10**15}"))
    with pytest.raises(OSError, match=r"MB are free, 1000000050 MB are needed") as full:
        fetch(url, tmp_path / "x", size_bytes=10**15)
    assert full.value.errno == errno.ENOSPC and len(served) == 1


def test_a_file_of_unknown_size_leaves_room_on_the_disk(serve, tmp_path, monkeypatch):
    free = itertools.chain([10**9] * 3, itertools.repeat(fetching.MIN_FREE_BYTES - 1))
    usage = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=next(free)))
    monkeypatch.setattr(fetching, "shutil", usage)
    url, served = serve(endless())
    with pytest.raises(OSError, match="50 MB are free, 50 MB are needed") as full:
        fetch(url, tmp_path / "x")
    assert full.value.errno == errno.ENOSPC and len(served) == 1 and not list(tmp_path.iterdir())


def redirect(url):
    return head(f"Location: {url}", "Content-Length: 0", status="302 Found")


def test_a_redirect_to_another_site_is_not_followed(serve, tmp_path):
    elsewhere, asked = serve(WHOLE)
    url, served = serve(redirect(elsewhere))
    with user_error("forbidden"):
        fetch(url, tmp_path / "x")
    assert len(served) == 1 and not asked


def test_a_redirect_to_an_allowed_host_is_followed(serve, tmp_path, monkeypatch):
    elsewhere, _ = serve(WHOLE)
    url, _ = serve(redirect(elsewhere.replace("127.0.0.1", "localhost")))
    monkeypatch.setenv(ALLOWED_HOSTS_VARIABLE, "cdn.example.org, localhost")
    fetch(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"four"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "//[/"])
def test_a_redirect_to_another_scheme_is_refused(serve, tmp_path, target):
    url, _ = serve(redirect(target))
    with user_error("forbidden"):
        fetch(url, tmp_path / "x")


@pytest.mark.parametrize(
    "answer",
    [
        head(status="404 \x1b[2J\x07 gone"),
        head(status="503 \x1b]0;title\x07"),
        b"\x1b[31mgarbage\r\n\r\n",
        redirect("http://\x1b[2J/x"),
    ],
)
def test_errors_hold_no_control_characters(serve, tmp_path, answer):
    url, _ = serve(answer)
    with pytest.raises((UserError, BadItem)) as error:
        fetch(url, tmp_path / "x")
    assert str(error.value).isprintable()


def test_a_server_without_tls_is_one_line(serve, tmp_path):
    url, _ = serve(WHOLE)
    url = url.replace("http:", "https:")
    with user_error("network", url) as error:
        fetch(url, tmp_path / "x")
    assert "SSL" in str(error.value) and "\n" not in str(error.value)


def test_an_invalid_certificate_is_not_retried(tmp_path, monkeypatch):
    calls = []

    def refuse(*arguments):
        calls.append(arguments)
        raise URLError(ssl.SSLCertVerificationError(1, "certificate verify failed"))

    monkeypatch.setattr(fetching, "open_url", refuse)
    with user_error("network", "https://example.org/x"):
        fetch("https://example.org/x", tmp_path / "x")
    assert len(calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "memory://x", "local:///etc/passwd", "zip://x::http://127.0.0.1/x.zip",
        "simplecache::http://127.0.0.1/x", "s3://bucket/x::file:///etc/passwd",
        "reference://::x", "tar://x",
    ],
)  # fmt: skip
def test_local_and_chained_urls_are_refused(tmp_path, url):
    with user_error("invalid"):
        fetch(url, tmp_path / "x")


@pytest.mark.parametrize(("content", "size"), [(b"four+", None), (b"fou", None), (b"four", 5)])
def test_sizes_of_other_backends_are_checked_too(tmp_path, monkeypatch, content, size):
    class Remote(io.BytesIO):
        def open(self):
            return self

    def open_remote(*_):
        file = Remote(content)
        file.size = size
        return file

    monkeypatch.setattr(fsspec, "open", open_remote)
    with bad_item("wrong-size"):
        fetch("s3://bucket/x", tmp_path / "x", size_bytes=4)


@pytest.mark.parametrize(("status", "attempts"), [("404 Not Found", 1), ("503 Busy", 4)])
def test_what_is_not_there_is_not_asked_for_again(serve, tmp_path, status, attempts):
    url, served = serve(head("Content-Length: 0", status=status))
    with user_error("missing" if attempts == 1 else "network", url):
        fetch(url, tmp_path / "x")
    assert len(served) == attempts


def test_another_content_of_the_same_size_is_refused(serve, tmp_path):
    url, served = serve(WHOLE.replace(b"four", b"five"))
    with bad_item("checksum"):
        fetch(url, tmp_path / "x", size_bytes=4)
    assert len(served) == RETRIES.max_attempts and not list(tmp_path.iterdir())


def test_a_failure_of_a_server_is_not_one_of_the_disk(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.EIO, "We encountered an internal error")

    monkeypatch.setattr(fsspec, "open", fail)
    with user_error("network", "s3://bucket/x"):
        fetch("s3://bucket/x", tmp_path / "x")
