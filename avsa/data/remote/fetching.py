"""Copy a remote file atomically, with retries."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import ssl
import threading
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from yt360.buckets.failures import PACKAGES
from yt360.errors import BadItem, UserError
from yt360.files import atomic_write
from yt360.retry import RetryPolicy
from yt360.terminal.text import printable
from yt360.untrusted.addresses import Forbidden, Reach, origin_of
from yt360.untrusted.http import open_url
from yt360.untrusted.transfer import TransferLimits, Watch

RETRIES = RetryPolicy(max_attempts=4, first_delay_s=0.25, factor=4.0)
TIMEOUT_S = 60.0
MAX_BYTES = 1 << 30
"""Size limit of a file whose size is unknown."""
LIMITS = TransferLimits(max_bytes=MAX_BYTES)
"""Minimum rate and maximum time of a fetch."""
MIN_FREE_BYTES = 50 * 10**6
"""Minimum free disk space that remains after a fetch."""
ALLOWED_HOSTS_VARIABLE = "AVSA_ALLOWED_HOSTS"
"""Comma-separated hosts that a dataset's server may redirect to."""
_LOCAL_SCHEMES = frozenset(
    {"file", "local", "memory", "data", "reference", "zip", "tar", "libarchive", "dir", "git"}
)
_CHUNK_BYTES = 1 << 16
_ERROR_LENGTH = 300
_FINAL = ("not-found", "bad-address", "forbidden-address")


def fetch(
    url: str,
    path: Path,
    sha256: str | None = None,
    cancelled: threading.Event | None = None,
    *,
    size_bytes: int | None = None,
    max_bytes: int = MAX_BYTES,
    limits: TransferLimits = LIMITS,
    retries: RetryPolicy | None = None,
) -> None:
    """Copy a remote file to `path` atomically; retry transient errors.

    At most the announced size is read and written. Redirects of http(s) are followed on the same
    host and port, or to hosts in ``$AVSA_ALLOWED_HOSTS`` (see `yt360.untrusted.addresses`).

    Args:
        url: http(s), or an fsspec scheme such as ``s3://`` (see `PACKAGES`).
        path: Local path.
        sha256: Expected checksum, hexadecimal.
        cancelled: Event that cancels the copy.
        size_bytes: Expected size.
        max_bytes: Size limit if `size_bytes` is None.
        limits: Minimum rate and maximum time.
        retries: Retry policy; None: `RETRIES`.

    Raises:
        BadItem: ``"not-found"``, ``"bad-address"``, ``"forbidden-address"`` (a redirect or a
            resolved address is not allowed), ``"wrong-size"``, or ``"checksum"``.
        UserError: The package for the URL scheme is not installed.
        OSError: The last attempt failed, the disk is full, or the copy was cancelled.
    """
    cancelled = cancelled or threading.Event()
    limits = replace(limits, max_bytes=max_bytes if size_bytes is None else size_bytes)
    try:
        (retries or RETRIES).call(
            lambda: _copy(url, path, sha256, cancelled, size_bytes, limits),
            is_transient=lambda error: not _is_final(error),
            sleep=cancelled.wait,
        )
    except UserError:
        raise
    except Exception as error:
        # Protocol errors and errors of fsspec's backends have no common base class.
        raise _as_one_line(url, error) from error


def _copy(
    url: str,
    path: Path,
    sha256: str | None,
    cancelled: threading.Event,
    size_bytes: int | None,
    limits: TransferLimits,
) -> None:
    digest, size = hashlib.sha256(), 0
    with _open(url, limits) as source:
        announced = _announced_bytes(source)
        if announced is not None:
            _check_size(url, announced, size_bytes, limits)
            if announced < limits.max_bytes:
                limits = replace(limits, max_bytes=announced)
        _check_room(path, announced or size_bytes or 0)
        with atomic_write(path) as target:
            for chunk in _chunks(source, limits):
                if cancelled.is_set():
                    raise OSError("the copy was cancelled")
                digest.update(chunk)
                size += len(chunk)
                if announced is None:
                    _check_size(url, size, None, limits)
                    _check_room(path, 0)
                target.write(chunk)
            if announced is not None and size < announced:
                raise OSError(f"the transfer ended after {size} of {announced} bytes")
            _check_size(url, size, size_bytes, limits)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise BadItem("checksum", f"{url} does not have the checksum in dataset.json")


def _check_size(url: str, size: int, size_bytes: int | None, limits: TransferLimits) -> None:
    if size_bytes is not None and size != size_bytes:
        raise BadItem("wrong-size", f"{url} has {size} bytes; dataset.json states {size_bytes}")
    if size > limits.max_bytes:
        raise BadItem("wrong-size", f"{url} has more than {limits.max_bytes} bytes")


def _check_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free - size < MIN_FREE_BYTES:
        reason = f"{free / 1e6:.0f} MB are free, {(size + MIN_FREE_BYTES) / 1e6:.0f} MB are needed"
        raise OSError(errno.ENOSPC, reason, str(path.parent))


def _is_final(error: Exception) -> bool:
    """Return whether a retry is useless: the error is permanent, or local to this machine."""
    if isinstance(error, BadItem):
        return error.reason in _FINAL
    return isinstance(error, UserError | ssl.SSLCertVerificationError) or _is_local(error)


def _is_local(error: Exception) -> bool:
    return isinstance(error, OSError) and error.filename is not None


def _as_one_line(url: str, error: Exception) -> Exception:
    """Return an error with a one-line printable text, since the server may choose parts of it."""
    if isinstance(error, BadItem):
        return BadItem(error.reason, _one_line(error.detail))
    if _is_local(error):
        return error
    name = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    return OSError(_one_line(f"{url}: {name}{error}"))


def _open(url: str, limits: TransferLimits) -> IO[bytes]:
    scheme = url.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return _open_http(url, limits)
    if scheme in _LOCAL_SCHEMES or "::" in url:
        raise BadItem("bad-address", f"{url} is not the URL of another machine")
    import fsspec  # type: ignore[import-untyped]

    try:
        return fsspec.open(url, "rb").open()
    except FileNotFoundError:
        raise BadItem("not-found", f"{url} does not exist") from None
    except ValueError as error:
        raise BadItem("bad-address", f"{url}: {error}") from None
    except ImportError as error:
        package = PACKAGES.get(scheme)
        advice = str(error) if package is None else f"it needs {package}: `pip install {package}`"
        raise UserError(
            f"{url} cannot be read here; {advice}", code="dependency", key=package
        ) from None


def _open_http(url: str, limits: TransferLimits) -> IO[bytes]:
    try:
        hosts = os.environ.get(ALLOWED_HOSTS_VARIABLE, "")
        answer = open_url(url, _reach(origin_of(url), hosts), Watch(limits), TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if 400 <= error.code < 500 and error.code not in (408, 425, 429):
            raise BadItem("not-found", f"{url}: {error.code} {error.reason}") from None
        raise OSError(f"{error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise (error.reason if isinstance(error.reason, OSError) else error) from None
    except Forbidden as error:
        raise BadItem("forbidden-address", str(error)) from None
    except (ValueError, http.client.InvalidURL) as error:
        raise BadItem("bad-address", f"{url} is not a valid URL: {error}") from None
    if answer.status != 200:
        answer.close()
        raise OSError(f"the server returned {answer.status} {answer.reason} instead of 200")
    return answer


@lru_cache(maxsize=64)
def _reach(origin: tuple[str, str, int | None], hosts: str) -> Reach:
    """Return the policy of reachable hosts; cached, because it keeps resolved addresses."""
    scheme, own_host, port = origin
    secure = ("https", own_host, 443 if (scheme, port) == ("http", 80) else port)
    allowed = {host.strip().lower() for host in hosts.split(",")}

    def allows(url: str) -> None:
        found = origin_of(url)
        if found not in (origin, secure) and found[1] not in allowed:
            raise ValueError(
                f"another site; add {found[1]} to {ALLOWED_HOSTS_VARIABLE} if you trust it"
            )

    return Reach(allows, [own_host])


def _announced_bytes(source: Any) -> int | None:
    """Return the size of a remote file, or None if the server does not announce it."""
    if isinstance(source, http.client.HTTPResponse):
        return source.length
    size = getattr(source, "size", None)
    return size if isinstance(size, int) else None


def _chunks(source: IO[bytes], limits: TransferLimits) -> Iterator[bytes]:
    """Yield chunks of the content at a minimum rate; stop one byte after the size limit."""
    watch, left = Watch(limits), limits.max_bytes + 1
    block = b""

    def read() -> int:
        nonlocal block
        block = source.read(min(_CHUNK_BYTES, left))
        return len(block)

    while left > 0 and watch.wait_for(read):
        left -= len(block)
        yield block


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))[:_ERROR_LENGTH]
