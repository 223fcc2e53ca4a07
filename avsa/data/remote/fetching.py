"""Copy files from web servers and buckets, with retries; what arrives is limited and verified."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import threading
import urllib.error
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from yt360.buckets.failures import explained, is_final
from yt360.errors import BadItem, UserError
from yt360.files import MACHINE_ERRORS, attach_file_name
from yt360.retry import RetryPolicy
from yt360.untrusted.addresses import Forbidden, Reach, origin_of
from yt360.untrusted.http import open_url
from yt360.untrusted.transfer import TransferLimits, Watch

RETRIES = RetryPolicy(max_attempts=4, first_delay_s=0.25, factor=4.0)
LIMITS = TransferLimits(max_bytes=1 << 30)
"""Minimum rate and maximum time of a copy; its size is limited by the file."""
MIN_FREE_BYTES = 50 * 10**6
"""Minimum free disk space that remains after a copy."""
ALLOWED_HOSTS_VARIABLE = "AVSA_ALLOWED_HOSTS"
"""Comma-separated hosts that a dataset's server may redirect to."""
_TIMEOUT_S = 60.0
_CHUNK_BYTES = 1 << 16
# Schemes of fsspec for files of this machine and files in other files.
_LOCAL_SCHEMES = frozenset(
    {"file", "local", "memory", "data", "reference", "zip", "tar", "libarchive", "dir", "git"}
)


@dataclass(frozen=True)
class RemoteFile:
    """A file on another machine.

    Attributes:
        url: http(s), or an fsspec scheme such as ``s3://``.
        bytes: Size in bytes; without `sha256`, the largest allowed one.
        sha256: Checksum, hexadecimal.
    """

    url: str
    bytes: int
    sha256: str | None = None


def fetch(
    remote: RemoteFile,
    file: IO[bytes],
    cancelled: threading.Event | None = None,
    limits: TransferLimits = LIMITS,
) -> None:
    """Copy a remote file into an open one; retry transient errors.

    At most the announced size is read and written. Redirects of http(s) are followed on the same
    host and port, or to hosts in ``$AVSA_ALLOWED_HOSTS`` (see `yt360.untrusted.addresses`).

    Args:
        remote: The file.
        file: Where it is written, from the start; whatever was there is replaced.
        cancelled: Event that cancels the copy.
        limits: Minimum rate and maximum time.

    Raises:
        BadItem: ``"wrong-size"`` or ``"checksum"``.
        UserError: It does not exist, its address is not allowed, its server cannot be reached or
            sends something else, or a package is not installed; see `explained`.
        OSError: An error of this machine, such as a full disk.
    """
    cancelled = cancelled or threading.Event()
    try:
        RETRIES.call(
            lambda: _copy(remote, file, cancelled, limits),
            is_transient=lambda error: not (is_final(error) or _is_of_this_machine(error)),
            sleep=cancelled.wait,
        )
        return
    except Exception as error:  # packages of stores have no common base class of errors
        if isinstance(error, BadItem) or _is_of_this_machine(error):
            raise
        problem = explained(remote.url, error)
    raise problem  # without a context, in which `atomic_write` would look for errors of the disk


def _copy(
    remote: RemoteFile, file: IO[bytes], cancelled: threading.Event, limits: TransferLimits
) -> None:
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    with _open(remote.url, replace(limits, max_bytes=remote.bytes)) as source:
        announced = _announced_bytes(source)
        if announced is not None:
            _require_size(remote, announced, whole=True)
        end = remote.bytes if announced is None else announced
        _require_room(file, announced or 0)
        watch, buffer = Watch(replace(limits, max_bytes=end)), memoryview(bytearray(_CHUNK_BYTES))
        while count := _receive(source, watch, buffer[: end + 1 - size]):
            if cancelled.is_set():
                raise OSError("the copy was cancelled")
            size += count
            _require_size(remote, size)
            _require_room(file, 0)
            digest.update(buffer[:count])
            with attach_file_name(Path(file.name)):
                file.write(buffer[:count])
    if announced is not None and size < announced:
        raise OSError(f"the transfer ended after {size} of {announced} bytes")
    _require_size(remote, size, whole=True)
    if remote.sha256 not in (None, digest.hexdigest()):
        raise BadItem("checksum", f"{remote.url} does not have the checksum in dataset.json")
    file.truncate()


def _receive(source: IO[bytes], watch: Watch, buffer: memoryview) -> int:
    """Return the number of bytes read into the buffer, 0 at the end, at a minimum rate."""
    return watch.wait_for(lambda: source.readinto(buffer)) if buffer else 0  # type: ignore[attr-defined]


def _require_size(remote: RemoteFile, size: int, whole: bool = False) -> None:
    if size > remote.bytes or (whole and remote.sha256 is not None and size != remote.bytes):
        expected = "at most " if remote.sha256 is None else ""
        raise BadItem("wrong-size", f"{remote.url} has {size} bytes, not {expected}{remote.bytes}")


def _require_room(file: IO[bytes], size: int) -> None:
    folder = Path(file.name).parent
    free = shutil.disk_usage(folder).free
    if free - size < MIN_FREE_BYTES:
        reason = f"{free / 1e6:.0f} MB are free, {(size + MIN_FREE_BYTES) / 1e6:.0f} MB are needed"
        raise OSError(errno.ENOSPC, reason, str(folder))


def _is_of_this_machine(error: Exception) -> bool:
    return isinstance(error, OSError) and (
        error.filename is not None or error.errno in MACHINE_ERRORS
    )


def _open(url: str, limits: TransferLimits) -> IO[bytes]:
    scheme = url.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return _open_http(url, limits)
    if scheme in _LOCAL_SCHEMES or "::" in url:
        raise ValueError("it is not on another machine")
    import fsspec  # type: ignore[import-untyped]

    return fsspec.open(url, "rb").open()


def _open_http(url: str, limits: TransferLimits) -> IO[bytes]:
    try:
        hosts = os.environ.get(ALLOWED_HOSTS_VARIABLE, "")
        answer = open_url(url, _reach(origin_of(url), hosts), Watch(limits), _TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        is_refused = 400 <= error.code < 500 and error.code not in (408, 425, 429)
        kind = FileNotFoundError if is_refused else OSError
        raise kind(f"{error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise (error.reason if isinstance(error.reason, OSError) else error) from None
    except Forbidden as error:
        raise UserError(str(error), code="forbidden", key=url) from None
    except http.client.InvalidURL as error:
        raise ValueError(str(error)) from None
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
    """Return the size of a remote file, or None if its server does not announce it."""
    if isinstance(source, http.client.HTTPResponse):
        return source.length
    size = getattr(source, "size", None)
    return size if isinstance(size, int) else None
