"""One opener for all files: redirects are checked before they are asked, answers are watched."""

from __future__ import annotations

from urllib.error import HTTPError

import pytest

from yt360.untrusted.addresses import MAX_HOPS, Forbidden, Reach, origin_of
from yt360.untrusted.http import open_url
from yt360.untrusted.transfer import HEADER_BYTES, TooMuch, TransferLimits, Watch

LIMITS = TransferLimits(max_bytes=1_000)


def redirect(to, code=302):
    return f"HTTP/1.1 {code} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(server, path="/x", limits=LIMITS):
    """Open an address of a server that may redirect to itself alone."""

    def allows(url):
        if origin_of(url) != origin_of(server.url):
            raise ValueError("another site")

    reach = Reach(allows, ["127.0.0.1"])
    with open_url(server.url + path, reach, Watch(limits), 5.0) as answer:
        return answer.read()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_site_is_followed(raw_server, code):
    server = raw_server(redirect("/y", code), OK)
    assert ask(server) == b"ok"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_another_site_is_not_even_asked(raw_server, code):
    other = raw_server(OK)
    server = raw_server(redirect(other.url + "/x", code))
    with pytest.raises(Forbidden, match="another site"):
        ask(server)
    assert not other.requests and len(server.requests) == 1


def test_redirects_end(raw_server):
    server = raw_server(redirect("/x"))
    with pytest.raises(Forbidden, match="redirects for the 6th time"):
        ask(server)
    assert len(server.requests) == MAX_HOPS + 1


def test_a_redirect_to_nowhere_is_an_error_of_the_server(raw_server):
    with pytest.raises(HTTPError):
        ask(raw_server(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"))


def endless(head, block=b"x" * 65536):
    def answer(_):
        yield head
        while True:
            yield block

    return answer


@pytest.mark.parametrize(
    ("head", "block"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nabcd\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         b"1;" + b"e" * 60_000 + b"\r\nx\r\n"),
    ],
    ids=["body", "chunks", "extensions of chunks"],
)  # fmt: skip
def test_an_answer_without_end_is_cut(raw_server, head, block):
    with pytest.raises(TooMuch, match="more than 1000 bytes"):
        ask(raw_server(endless(head, block)))


def test_headers_without_end_are_cut_however_large_the_content_may_be(raw_server):
    server = raw_server(endless(b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 1000))
    with pytest.raises(TooMuch, match=f"more than {HEADER_BYTES} bytes"):
        ask(server, limits=TransferLimits(max_bytes=1 << 40))


def test_the_body_of_a_redirect_is_not_waited_for(raw_server):
    first = redirect("/y").replace(b"Content-Length: 0\r\n", b"")

    def answer(request):
        return [OK] if "/y" in request else endless(first)(request)

    assert ask(raw_server(answer)) == b"ok"


def test_a_proxy_of_the_environment_is_used(raw_server, monkeypatch):
    proxy = raw_server(OK)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    reach = Reach(lambda _: None, ["site.example"])
    with open_url("http://site.example/x", reach, Watch(LIMITS), 5.0) as answer:
        assert answer.read() == b"ok"
    assert proxy.requests[0].startswith("GET http://site.example/x ")


def test_a_proxy_does_not_lead_to_what_an_address_spells_out(raw_server, monkeypatch):
    proxy = raw_server(redirect("http://127.1/x"))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(Forbidden, match="no public address"):
        open_url("http://site.example/", Reach(lambda _: None, []), Watch(LIMITS), 5.0)
    assert len(proxy.requests) == 1
