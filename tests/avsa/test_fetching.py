"""Copies of remote files are whole or not there, whatever a server sends."""

import socket
import threading

import fsspec
import pytest

from avsa import fetching
from avsa.fetching import ATTEMPTS, fetch
from yt360.errors import BadItem, UserError


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE_S", 0.001)


@pytest.fixture
def serve():
    """Return a function that serves raw answers, the last one again and again."""
    listeners = []

    def start(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        served = []

        def work():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answers[min(len(served), len(answers) - 1)])
                    served.append(1)

        threading.Thread(target=work, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/x", served

    yield start
    for listener in listeners:
        listener.close()


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"garbage\r\n\r\n", "BadStatusLine: garbage$"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", "ended after 2 of 1000 bytes"),
        (b"", "RemoteDisconnected|closed connection"),
    ],
    ids=["garbage", "chunk", "short", "nothing"],
)
def test_a_broken_answer_is_an_os_error_after_all_attempts(serve, tmp_path, answer, message):
    url, served = serve(answer)
    with pytest.raises(OSError, match=message):
        fetch(url, tmp_path / "x")
    assert len(served) == ATTEMPTS and not list(tmp_path.iterdir())


def test_a_body_that_was_cut_off_is_fetched_again(serve, tmp_path):
    url, served = serve(WHOLE[:-1], b"garbage\r\n\r\n", WHOLE)
    fetch(url, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"four" and len(served) == 3


@pytest.mark.parametrize(
    "url", ["http://localhost:notaport/x", "http://[::1/x", "https://example.org/my data"]
)
def test_what_is_no_address_is_refused_at_once(tmp_path, url):
    with pytest.raises(BadItem, match=r"bad-address: .* is no valid address") as caught:
        fetch(url, tmp_path / "x")
    assert caught.value.reason == "bad-address"


def test_errors_of_other_backends_are_os_errors(tmp_path, monkeypatch):
    class OddError(Exception):
        pass

    def fail(*args):
        raise OddError("token\nexpired")

    monkeypatch.setattr(fsspec, "open", fail)
    with pytest.raises(OSError, match="s3://bucket/x: OddError: token expired"):
        fetch("s3://bucket/x", tmp_path / "x")


def test_an_unknown_kind_of_address_is_refused(tmp_path):
    with pytest.raises(BadItem, match="bad-address: nonsense://x/y"):
        fetch("nonsense://x/y", tmp_path / "y")


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("s3://bucket/x", "it needs s3fs: `pip install s3fs`"),
        ("gs://bucket/x", "it needs gcsfs: `pip install gcsfs`"),
        ("other://bucket/x", "Install otherfs to access other"),
    ],
)
def test_a_package_that_is_not_installed_is_named_at_once(tmp_path, monkeypatch, url, advice):
    calls = []

    def fail(*args):
        calls.append(args)
        raise ImportError("Install otherfs to access other")

    monkeypatch.setattr(fsspec, "open", fail)
    with pytest.raises(UserError) as missing:
        fetch(url, tmp_path / "x")
    assert str(missing.value) == f"{url} cannot be read here; {advice}"
    assert len(calls) == 1


def test_a_copy_that_is_no_longer_wanted_ends(serve, tmp_path):
    url, served = serve(WHOLE)
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(OSError, match="no longer wanted"):
        fetch(url, tmp_path / "x", cancelled=cancelled)
    assert len(served) == 1 and not list(tmp_path.iterdir())
