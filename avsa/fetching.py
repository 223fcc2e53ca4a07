"""Copying one remote file, whole or not at all; tried again when the way there fails."""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from yt360.errors import BadItem, UserError
from yt360.files import atomic_write

ATTEMPTS = 4
TIMEOUT_S = 60.0
# Before the second attempt; each further pause is four times as long.
PAUSE_S = 0.25
_CHUNK_BYTES = 1 << 20
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""Scheme of an address -> package that reads it; http(s) needs none."""
_FINAL = ("not-found", "bad-address")


def fetch(
    url: str, path: Path, sha256: str | None = None, cancelled: threading.Event | None = None
) -> None:
    """Copy a remote file to `path`, which appears only when whole; try again a few times.

    Args:
        url: http(s), or what fsspec knows (``s3://`` by `PACKAGES` and so on).
        path: The local file.
        sha256: Hex sum that the content must have.
        cancelled: Ends the copy early when it is set.

    Raises:
        BadItem: ``"not-found"``, ``"bad-address"``, or ``"checksum"`` when the content is not as
            announced.
        UserError: The package for such addresses is not installed.
        OSError: The last attempt failed in whatever way, the disk is full, or `cancelled` was set.
    """
    cancelled = cancelled or threading.Event()
    for attempt in range(ATTEMPTS):
        try:
            _copy(url, path, sha256, cancelled)
            return
        except (OSError, BadItem) as error:
            final = isinstance(error, BadItem) and error.reason in _FINAL
            if final or attempt == ATTEMPTS - 1 or cancelled.wait(PAUSE_S * 4**attempt):
                raise
        except UserError:
            raise
        except Exception as error:
            # Protocol errors and those of fsspec's backends have no common ancestor.
            if attempt == ATTEMPTS - 1 or cancelled.wait(PAUSE_S * 4**attempt):
                text = " ".join(str(error).split())
                raise OSError(f"{url}: {type(error).__name__}: {text}") from error


def _copy(url: str, path: Path, sha256: str | None, cancelled: threading.Event) -> None:
    digest, size = hashlib.sha256(), 0
    with _open(url) as source, atomic_write(path) as target:
        announced = _announced_bytes(source)
        for chunk in _chunks(source):
            if cancelled.is_set():
                raise OSError(f"{url} is no longer wanted")
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
        if announced is not None and size != announced:
            raise OSError(f"{url} ended after {size} of {announced} bytes")
        if sha256 is not None and digest.hexdigest() != sha256:
            raise BadItem("checksum", f"{url} is not what dataset.json announces")


def _open(url: str) -> IO[bytes]:
    if url.partition(":")[0] in ("http", "https"):
        try:
            answer: IO[bytes] = urllib.request.urlopen(url, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if 400 <= error.code < 500 and error.code not in (408, 425, 429):
                raise BadItem("not-found", f"{url}: {error.code} {error.reason}") from None
            raise OSError(f"{url}: {error.code} {error.reason}") from None
        except (ValueError, http.client.InvalidURL) as error:
            raise BadItem("bad-address", f"{url} is no valid address: {error}") from None
        return answer
    import fsspec  # type: ignore[import-untyped]

    try:
        return fsspec.open(url, "rb").open()
    except FileNotFoundError:
        raise BadItem("not-found", f"{url} does not exist") from None
    except ValueError as error:
        raise BadItem("bad-address", f"{url}: {error}") from None
    except ImportError as error:
        package = PACKAGES.get(url.partition(":")[0])
        mend = str(error) if package is None else f"it needs {package}: `pip install {package}`"
        raise UserError(f"{url} cannot be read here; {mend}") from None


def _announced_bytes(source: Any) -> int | None:
    """Return how long a remote file is, where its server says so."""
    if isinstance(source, http.client.HTTPResponse):
        length = source.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None
    size = getattr(source, "size", None)
    return size if isinstance(size, int) else None


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk
