"""Local copies of media in a bucket, which workers fetch before they read a file.

The workspace of a bucket is a folder in `cache_folder`. A catalog names files in its ``copies``,
whether they are there or not; `copies` puts them there, verified, while they are read. A copy that
the bucket lists with another checksum now, since the video was downloaded again, is replaced. The
copies that were read longest ago are removed when the folder grows too large. Processes and
machines that share the folder share the copies: a file is locked while it is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

from yt360.buckets.bucket import Bucket
from yt360.buckets.cache import COPIES_FOLDER, INCOMING_FOLDER, cache_folder, media_workspace
from yt360.buckets.copy_folder import CopyFolder, lock_for_reading, release, remove_copy
from yt360.buckets.media import MediaObject, list_video
from yt360.errors import UserError
from yt360.execution.limits import allow_time
from yt360.files import atomic_write, private_folder, resolved, sha256_of
from yt360.locks import exclusive_lock
from yt360.untrusted.files import read_limited

LIMIT_VARIABLE = "YT360_MEDIA_CACHE_GB"
DEFAULT_LIMIT_GB = 20.0
_URL_FILE = "url"
_REQUESTS = 16
"""Lists that are read at a time."""


def make_media_workspace(url: str) -> Path:
    """Return the local folder of a bucket with media; it is created when missing."""
    workspace = media_workspace(url)
    private_folder(workspace)
    for name in (COPIES_FOLDER, INCOMING_FOLDER):
        (workspace / name).mkdir(exist_ok=True)
    with atomic_write(workspace / _URL_FILE, "w") as file:
        file.write(url)
    return workspace


def bucket_of(url: str) -> Bucket:
    """Return the objects under a URL; one value in a process, since it keeps connections."""
    return _bucket(url, os.getpid())


@lru_cache(16)
def _bucket(url: str, _process: int) -> Bucket:
    return Bucket(url)  # its connections do not survive a fork


@contextmanager
def copies(
    paths: Iterable[Path], open_bucket: Callable[[str], Bucket] = bucket_of
) -> Iterator[None]:
    """Let files be there and stay there during the block.

    Nothing is done for files that are not in the copies of a bucket. A file that the bucket does
    not list is missing. The list is read at each call, also for files that are there.

    Args:
        paths: Files that the block reads.
        open_bucket: Returns the objects under a URL.

    Raises:
        UserError: The bucket cannot be read, or a file there does not have its checksum.
        OSError: The disk is full.
    """
    with ExitStack() as stack:
        for path in paths:
            url = _url_of(path)
            if url is not None:
                stack.enter_context(_copy(path, url, open_bucket))
        yield


def checksums(
    paths: Iterable[Path], open_bucket: Callable[[str], Bucket] = bucket_of
) -> dict[Path, str]:
    """Return the SHA-256 of files in the copies of buckets, as those list them, without fetching.

    Args:
        paths: Files; those that no bucket lists are left out.
        open_bucket: Returns the objects under a URL.

    Raises:
        UserError: The bucket cannot be read.
    """
    names: dict[Path, list[str]] = {}
    for path in paths:
        names.setdefault(path.parent, []).append(path.name)

    def listed(folder: Path) -> dict[str, MediaObject]:
        url = _url_of(folder / names[folder][0])
        return {} if url is None else list_video(open_bucket(url), _place(folder))

    with ThreadPoolExecutor(_REQUESTS) as threads:
        lists = zip(names.items(), threads.map(listed, names), strict=True)
        return {
            folder / name: files[name].sha256
            for (folder, wanted), files in lists
            for name in wanted
            if name in files
        }


def _place(folder: Path) -> str:
    """Return the name, in the bucket, of the folder of a video in the copies."""
    return f"{folder.parent.name}/{folder.name}"


def _url_of(path: Path) -> str | None:
    """Return the bucket of a file in the copies of a workspace in `cache_folder`, or None.

    A folder elsewhere may come from somebody else, and must not cause requests.
    """
    if len(path.parents) < 4 or path.parents[2].name != COPIES_FOLDER:
        return None
    workspace = path.parents[3]
    if resolved(workspace.parent) != resolved(cache_folder() / "media"):
        return None
    try:
        return read_limited(workspace / _URL_FILE, 10_000).decode()
    except (OSError, ValueError):
        return None


@contextmanager
def _copy(path: Path, url: str, open_bucket: Callable[[str], Bucket]) -> Iterator[None]:
    bucket = open_bucket(url)
    while (listed := list_video(bucket, _place(path.parent)).get(path.name)) is not None:
        lock = lock_for_reading(path)
        if lock is not None and _is_copy_of(path, listed):
            break
        if lock is not None:
            os.close(lock)
        _fetch(path, bucket, listed)
    else:
        remove_copy(path)
        yield
        return
    try:
        yield
    finally:
        release(lock)


def _is_copy_of(path: Path, listed: MediaObject) -> bool:
    """Return whether a locked copy is that of an object."""
    if path.stat().st_size != listed.bytes:
        return False
    known = _checksum_file(path)
    try:
        return read_limited(known, 64) == listed.sha256.encode()
    except (OSError, ValueError):  # its process was killed before it wrote the checksum
        allow_time(str(path), listed.bytes)
        if sha256_of(path) != listed.sha256:
            return False
        _write_checksum(path, listed)
        return True


def _checksum_file(path: Path) -> Path:
    """Return the file with the checksum that a copy had when it was fetched."""
    return path.with_name(f".{path.name}.sha256")


def _write_checksum(path: Path, listed: MediaObject) -> None:
    with atomic_write(_checksum_file(path)) as file:
        file.write(listed.sha256.encode())


def _fetch(path: Path, bucket: Bucket, listed: MediaObject) -> None:
    """Fetch a file in place of another copy, unless another process has."""
    private_folder(path.parent)
    lock = path.with_name(f".{path.name}.lock")
    with exclusive_lock(lock, wait=True):
        try:
            present = lock_for_reading(path)
            if present is not None:
                try:
                    if _is_copy_of(path, listed):
                        return
                finally:
                    os.close(present)
                remove_copy(path)
            _checksum_file(path).unlink(missing_ok=True)
            place = _place(path.parent)
            allow_time(str(path), listed.bytes)
            folder, name = CopyFolder(path.parents[2], levels=2), f"{place}/{path.name}"
            oldest_first = sorted(
                (each.last_read_ns, other) for other, each in folder.present().items()
            )
            with folder.reserved(
                name, listed.bytes, _limit_bytes(), [other for _, other in oldest_first],
                may_exceed=True,  # waiting for others could last for ever: they may wait too
            ) as file:  # fmt: skip
                bucket.download(name, file, listed.bytes, listed.sha256)
            _write_checksum(path, listed)
        finally:
            lock.unlink(missing_ok=True)


def _limit_bytes() -> float:
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT_GB)
    try:
        limit = float(text) * 1e9
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise UserError(
            f"${LIMIT_VARIABLE} is {text!r}; give a positive number of gigabytes",
            code="out-of-range",
            key=LIMIT_VARIABLE,
        )
    return limit
