"""Requests stay where the user sent them: every hop and every connection is checked."""

from __future__ import annotations

import socket

import pytest

from yt360.untrusted.addresses import Forbidden, Reach, is_public, literal_address, origin_of

NOT_PUBLIC = (
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "fc00::1",
    "fec0::1", "ff02::1", "2001:db8::1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1",
)  # fmt: skip
LOOPBACK = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001",
    "localhost", "LOCALHOST.", "a.localhost", "１２７.0.0.1", "127。0。0。1",
)  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_of_the_internet_are_known(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1", "2002:808:808::", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("host", LOOPBACK)
def test_every_spelling_of_loopback_is_known(host):
    assert literal_address(host) == "127.0.0.1"


def test_names_are_no_addresses():
    assert literal_address("example.org") is None and literal_address("localhost.org") is None
    assert literal_address("[::1]") == "::1"


def reach_for(*named, resolve=socket.getaddrinfo):
    return Reach(lambda _: None, named, resolve)


@pytest.mark.parametrize(
    "target",
    [
        *(f"https://{host}/x" for host in LOOPBACK),
        "https://[::1]/x", "https://[::ffff:10.0.0.1]/x", "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd", "ftp://example.org/x", "data:text/plain,x", "gopher://x/", "//", "",
        "http://example.org/x", "https://user:word@example.org/x", "https://user@example.org/x",
        "https://[/x", "https://example.org:99999/x", "https:///x",
    ],
)  # fmt: skip
def test_a_hop_to_no_public_web_address_is_refused(target):
    with pytest.raises(Forbidden) as refusal:
        reach_for("example.org").check_hop("https://example.org/data", target)
    assert "\n" not in str(refusal.value)


def test_a_hop_that_the_caller_allows_not_is_refused():
    def refuse(url):
        raise ValueError("another site")

    with pytest.raises(Forbidden, match=r"redirects to 'https://b.org/x': another site"):
        Reach(refuse, []).check_hop("https://a.org/x", "https://b.org/x")


def test_a_hop_within_a_named_private_host_is_followed():
    reach_for("127.0.0.1").check_hop("http://127.0.0.1/x", "http://127.0.0.1/y")


def answers(*addresses):
    """Return a resolver that gives these addresses for every name."""

    def resolve(_host, port, *_):
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in addresses
        ]

    return resolve


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(listener, address):
    reach = reach_for(resolve=answers(address))
    with pytest.raises(Forbidden, match=r"evil.example is at .*127.0.0.1, which is no public"):
        reach.connect(("evil.example", listener.getsockname()[1]), 1.0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_named_host_may_be_private_and_lead_to_others_beside_it(listener):
    reach = reach_for("nas.lan", resolve=answers("127.0.0.1"))
    for host in ("nas.lan", "other.lan"):
        reach.connect((host, listener.getsockname()[1]), 1.0).close()


def test_a_named_host_that_was_public_does_not_become_private(listener):
    reach = reach_for("site.example", resolve=answers("127.0.0.1"))
    reach._at_private["site.example"] = False  # as after a first connection to a public address
    with pytest.raises(Forbidden, match="no public address"):
        reach.connect(("site.example", listener.getsockname()[1]), 1.0)


def test_origins_are_compared_with_their_implied_port():
    assert origin_of("HTTPS://Example.org/x") == origin_of("https://example.org:443/y")
    assert origin_of("http://a.org") != origin_of("http://a.org:8000")


def test_a_host_with_public_and_private_addresses_leads_to_no_private_one(monkeypatch):
    asked = []

    class Line:
        def __init__(self, *_):
            self.settimeout = self.close = lambda *_: None

        def connect(self, where):
            asked.append(where[0])
            raise OSError("no way there")

    reach = reach_for("mixed.example", resolve=answers("127.0.0.1", "8.8.8.8", "10.0.0.1"))
    monkeypatch.setattr(socket, "socket", Line)
    with pytest.raises(OSError, match="no way there"):
        reach.connect(("mixed.example", 80), 1.0)
    assert asked == ["8.8.8.8"]
