"""The objects under one prefix of a bucket.

Small objects are replaced only in the version that was read; files are uploaded whole and then
verified. Every operation may be repeated: after a lost answer, the object is read back before the
operation is believed to have failed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from yt360.buckets.failures import (
    changed,
    explained,
    is_condition_failed,
    is_final,
    lacks_conditions,
)
from yt360.errors import UserError
from yt360.files import attach_file_name
from yt360.retry import RetryPolicy

Result = TypeVar("Result")
RETRIES = RetryPolicy(max_attempts=5, first_delay_s=0.25, factor=4.0)
MAX_OBJECT_BYTES = 5 * 10**9
"""Largest object that S3 takes in one request, whose checksum it then reports."""
_MAX_SMALL_BYTES = 1 << 31
_BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Stored:
    """An object and its version, which changes with its content."""

    content: bytes
    version: str


class Bucket:
    """The objects under one prefix.

    Stores with ETags (S3 and compatible ones) check the condition of a write themselves. On other
    stores, and on those that refuse conditions, a write that replaces an object compares it just
    before; then only the lease of the writer (`yt360.buckets.lease`) keeps others away.

    Args:
        url: URL of the prefix, such as ``s3://BUCKET/DATASET``.
        filesystem: Its fsspec file system; by default that of the URL's scheme, with the
            credentials that its package finds.
        retries: Attempts and delays.
        sleep: Waits between attempts.

    Raises:
        UserError: The scheme is unknown, or its package is not installed.
    """

    def __init__(
        self,
        url: str,
        filesystem: Any = None,
        retries: RetryPolicy = RETRIES,
        sleep: Callable[[float], bool | None] = time.sleep,
    ) -> None:
        self.url, self._retries, self._sleep = url, retries, sleep
        try:
            if filesystem is None:
                import fsspec  # type: ignore[import-untyped]

                filesystem, _ = fsspec.core.url_to_fs(url, use_listings_cache=False)
            self._root = filesystem._strip_protocol(url).rstrip("/")
        except (ImportError, ValueError) as error:
            raise explained(url, error) from None
        self._fs = filesystem
        protocol = filesystem.protocol
        self._has_conditions = "s3" in ([protocol] if isinstance(protocol, str) else protocol)

    def read(self, name: str, max_bytes: int = _MAX_SMALL_BYTES) -> Stored | None:
        """Return an object, or None if it does not exist.

        Raises:
            UserError: It cannot be read, or is larger than `max_bytes`.
        """
        return self._attempt(name, lambda: self._read(name, max_bytes))

    def read_parts(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return parts of an object.

        Args:
            name: The object.
            ranges: (offset, length) of each part, in bytes.
        """

        def once() -> list[bytes]:
            starts = [offset for offset, _ in ranges]
            ends = [offset + size for offset, size in ranges]
            paths = [self._path(name)] * len(ranges)
            parts: list[bytes] = self._fs.cat_ranges(paths, starts, ends, on_error="raise")
            for part, (offset, size) in zip(parts, ranges, strict=True):
                if len(part) != size:
                    raise OSError(f"{len(part)} of {size} bytes at byte {offset} arrived")
            return parts

        return self._attempt(name, once) if ranges else []

    def sizes(self) -> dict[str, int]:
        """Return the size of each object by its name."""

        def once() -> dict[str, int]:
            self._fs.invalidate_cache()
            found = self._fs.find(self._root, detail=True)
            start = len(self._root) + 1
            return {path[start:]: int(info["size"]) for path, info in found.items()}

        return self._attempt("", once)

    def put(self, name: str, content: bytes, replacing: str | None = None) -> str:
        """Write a small object, and return its new version.

        Args:
            name: The object.
            content: At most `MAX_OBJECT_BYTES`.
            replacing: The version that it replaces; None: it must not exist.

        Raises:
            Changed: The object has another version.
            UserError: It cannot be written.
        """
        expected = replacing

        def once() -> str:
            nonlocal expected
            try:
                self._put(name, content, expected)
            except Exception as error:
                if not is_condition_failed(error):
                    raise
                # It may be our own write, whose answer was lost.
            found = self._read(name, _MAX_SMALL_BYTES)
            if found is not None and found.content == content:
                return found.version
            if found is not None and content.startswith(found.content):
                expected = found.version
                raise OSError(f"{len(found.content)} of {len(content)} bytes are stored")
            if (found.version if found is not None else None) == expected:
                raise OSError("the write was refused, although nothing has changed")
            raise changed(self._url(name))

        return self._attempt(name, once)

    def upload(
        self, name: str, path: Path, sha256: str, still_ours: Callable[[], None] = lambda: None
    ) -> None:
        """Upload a file whole, and verify its size and checksum; nothing is done if it is there.

        Args:
            name: The object.
            path: The file, of at most `MAX_OBJECT_BYTES`.
            sha256: Its checksum.
            still_ours: Raises an error if another writer has taken over; called before an object
                with other content is replaced.

        Raises:
            UserError: It cannot be uploaded.
        """
        content = path.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()

        def once() -> None:
            is_same, version = self._compare(name, len(content), md5, sha256)
            if is_same:
                return
            if version is not None:
                still_ours()
            try:
                self._put(name, content, version)
            except Exception as error:
                if not is_condition_failed(error):
                    raise
            if not self._compare(name, len(content), md5, sha256)[0]:
                raise OSError("it has other content than was uploaded")

        self._attempt(name, once)

    def download(self, name: str, file: IO[bytes], size: int, sha256: str) -> None:
        """Copy an object into an open file, verified; whatever was there is replaced.

        Raises:
            UserError: It is missing, cannot be read, or has another size or checksum.
            OSError: An error of this machine, such as a full disk.
        """

        def once() -> None:
            file.seek(0)
            digest = hashlib.sha256()
            for block in self._blocks(name, size):
                digest.update(block)
                with attach_file_name(Path(file.name)):
                    file.write(block)
            if digest.hexdigest() != sha256:
                raise OSError("it does not have the listed checksum")
            file.truncate()

        self._attempt(name, once)

    def delete(self, name: str) -> None:
        """Delete an object if it exists."""

        def once() -> None:
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

        self._attempt(name, once)

    def _url(self, name: str) -> str:
        return f"{self.url}/{name}" if name else self.url

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _attempt(self, name: str, operation: Callable[[], Result]) -> Result:
        try:
            return self._retries.call(
                operation, is_transient=lambda error: not is_final(error), sleep=self._sleep
            )
        except Exception as error:  # packages of stores have no common base class of errors
            if isinstance(error, OSError) and error.filename is not None:
                raise  # an error of this machine
            raise explained(self._url(name), error) from error

    def _info(self, name: str) -> dict[str, Any] | None:
        self._fs.invalidate_cache()
        try:
            info: dict[str, Any] = self._fs.info(self._path(name))
        except FileNotFoundError:
            return None
        return info if info.get("type") == "file" else None

    def _read(self, name: str, max_bytes: int) -> Stored | None:
        # The version first: if the object changes in between, it is the older one, and a write
        # that replaces it is refused.
        info = self._info(name)
        if info is None:
            return None
        size = int(info["size"])
        if size > max_bytes:
            raise UserError(
                f"{self._url(name)} has {size} bytes; at most {max_bytes} are allowed",
                key=self._url(name),
            )
        content: bytes = self._fs.cat_file(self._path(name))
        if len(content) != size:
            raise OSError(f"{len(content)} of {size} bytes arrived")
        return Stored(content, _etag(info) or hashlib.sha256(content).hexdigest())

    def _put(self, name: str, content: bytes, replacing: str | None) -> None:
        """Write an object on a condition; FileExistsError or an error of S3 if it fails."""
        if self._has_conditions:
            condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
            try:
                # In one request, so that the ETag is the MD5 of the content.
                self._fs.pipe_file(
                    self._path(name), content, chunksize=MAX_OBJECT_BYTES, **condition
                )
                return
            except Exception as error:
                if replacing is not None and isinstance(error, FileNotFoundError):
                    raise FileExistsError(f"{name} was deleted") from error
                if not lacks_conditions(error):
                    raise
                self._has_conditions = False
        if replacing is None:
            if self._info(name) is not None:
                raise FileExistsError(name)
            self._fs.pipe_file(self._path(name), content, mode="create")
            return
        found = self._read(name, _MAX_SMALL_BYTES)
        if found is None or found.version != replacing:
            raise FileExistsError(name)
        self._fs.pipe_file(self._path(name), content)

    def _compare(self, name: str, size: int, md5: str, sha256: str) -> tuple[bool, str | None]:
        """Return whether an object has this content, and its version; None if there is none."""
        info = self._info(name)
        if info is None:
            return False, None
        etag = _etag(info)
        if int(info["size"]) == size:
            if etag is not None and etag.strip('"') == md5:
                return True, etag
            # Encrypted objects, and those of other stores, have no MD5.
            digest = hashlib.sha256()
            for block in self._blocks(name, size):
                digest.update(block)
            if digest.hexdigest() == sha256:
                return True, etag
        if etag is None:
            found = self._read(name, MAX_OBJECT_BYTES)
            return False, None if found is None else found.version
        return False, etag

    def _blocks(self, name: str, size: int) -> Iterator[bytes]:
        for start in range(0, size, _BLOCK_BYTES):
            end = min(start + _BLOCK_BYTES, size)
            block: bytes = self._fs.cat_file(self._path(name), start=start, end=end)
            if len(block) != end - start:
                raise OSError(f"{start + len(block)} of {size} bytes arrived")
            yield block


def _etag(info: dict[str, Any]) -> str | None:
    etag = info.get("ETag")
    return etag if isinstance(etag, str) and etag else None
