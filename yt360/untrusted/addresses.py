"""Check network addresses before a request is sent.

A server controls the target of its redirects and the addresses of its name. Therefore every
redirect is checked, and connections go to the address that was checked, not to a name that may
resolve to another address a moment later (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import SplitResult, urlsplit

MAX_HOPS = 5
"""Maximum number of redirects of a request."""
_MAX_ADDRESSES = 8
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


class Forbidden(ValueError):
    """An address that must not be contacted; the message is one line with the reason."""


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, the lower-case host and the (possibly default) port of a URL.

    Raises:
        ValueError: The address is malformed.
    """
    parts = urlsplit(url)
    return parts.scheme, _host(parts), parts.port or _PORTS.get(parts.scheme)


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    Loopback, private, link-local, shared, multicast and reserved addresses are not, nor are IPv6
    addresses that stand for such an IPv4 address (mapped, 6to4, NAT64).

    Args:
        address: In the standard notation, as returned by ``getaddrinfo``.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        return ip in _GLOBAL_UNICAST and ip.is_global
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def literal_address(host: str) -> str | None:
    """Return the IP address that a host denotes literally, or None for a name.

    Besides the standard notation, resolvers accept ``127.1``, ``2130706433``, ``0x7f.0.0.1``,
    ``0177.0.0.1``, full-width digits, and ``localhost``.
    """
    text = unicodedata.normalize("NFKC", host).replace("\N{IDEOGRAPHIC FULL STOP}", ".")
    text = text.strip("[]").rstrip(".").lower()
    if text == "localhost" or text.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(text))
    except (OSError, UnicodeEncodeError):
        return None


class Reach:
    """The hosts and addresses that requests may contact.

    A host that the user named may have a private address if it has one at the first request. Other
    hosts may have private addresses only if such a named host exists. So a public site cannot lead
    to a private address, and a dataset on a machine in the local network can be read.

    Args:
        allows: Raises ValueError for a URL that is not on an allowed site.
        named: Hosts that the user named.
        resolve: ``socket.getaddrinfo`` or a replacement.

    Attributes:
        named: These hosts in lower case.
    """

    def __init__(
        self,
        allows: Callable[[str], object],
        named: Collection[str],
        resolve: Callable[..., list[Any]] = socket.getaddrinfo,
    ) -> None:
        self._allows = allows
        self._resolve = resolve
        self.named = {host.lower() for host in named}
        self._at_private: dict[str, bool] = {}

    def check_hop(self, source: str, target: str) -> None:
        """Raise `Forbidden` unless a redirect from `source` to `target` may be followed."""
        try:
            parts = urlsplit(target)
            host = _host(parts)
            _ = parts.port
        except ValueError as error:
            raise Forbidden(f"{source} redirects to no valid address: {error}") from None
        if parts.scheme not in _PORTS or not host:
            raise Forbidden(f"{source} redirects to {target!r}, which is no web address")
        if parts.scheme == "http" and urlsplit(source).scheme == "https":
            raise Forbidden(f"{source} redirects to {target!r}, which is not encrypted")
        if parts.username is not None or parts.password is not None:
            raise Forbidden(f"{source} redirects to an address with a user name")
        try:
            self._allows(target)
        except ValueError as error:
            raise Forbidden(f"{source} redirects to {target!r}: {error}") from None
        address = literal_address(host)
        if address is not None and not is_public(address) and not self._may_be_private(host, True):
            raise Forbidden(f"{source} redirects to {target!r}, which is no public address")

    def connect(
        self, address: tuple[str, int], timeout: Any = None, source_address: Any = None
    ) -> socket.socket:
        """Resolve a host, check its addresses, and connect to one of them.

        The arguments are those of ``socket.create_connection``.

        Raises:
            Forbidden: The host has only private addresses, which are not allowed for it.
            OSError: It has no address, or no address accepts the connection.
        """
        host, port = address
        found = self._resolve(host, port, 0, socket.SOCK_STREAM)
        public = [entry for entry in found if is_public(entry[4][0])]
        if not self._may_be_private(host, not public):
            if found and not public:
                raise Forbidden(f"{host} is at {found[0][4][0]}, which is no public address")
            found = public
        problem = OSError(f"{host} has no address")
        for family, kind, protocol, _, where in found[:_MAX_ADDRESSES]:
            try:
                line = socket.socket(family, kind, protocol)
            except OSError as error:  # no IPv6 here
                problem = error
                continue
            try:
                if timeout is not socket._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]
                    line.settimeout(timeout)
                if source_address:
                    line.bind(source_address)
                line.connect(where)
                return line
            except OSError as error:
                line.close()
                problem = error
        raise problem

    def _may_be_private(self, host: str, is_private: bool) -> bool:
        host = host.lower()
        if host in self.named:
            return self._at_private.setdefault(host, is_private)
        return any(self._at_private.values())


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower()
