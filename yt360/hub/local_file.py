"""Files of a repository: here, with what is sent; and there, with the sums that a hub keeps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from yt360.errors import UserError
from yt360.files import sha256_of


@dataclass(frozen=True)
class RemoteFile:
    """A file on a hub.

    Attributes:
        size: In bytes.
        blob: Git's hash of the content or, if `sha256` is given, of a pointer to it.
        sha256: SHA-256 of the content of a large file; None for small ones.
    """

    size: int
    blob: str
    sha256: str | None = None


@dataclass(frozen=True)
class LocalFile:
    """A file to send.

    Attributes:
        path: Its path in the repository.
        source: Its content, or the file that holds it.
        listed: SHA-256 that a list of the dataset states for it, if there is one.
        is_last: Whether it belongs into the last commit, with the lists and cards.
    """

    path: str
    source: Path | bytes
    listed: str | None = None
    is_last: bool = False

    @cached_property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content.

        Raises:
            UserError: ``"conflict"``: A list states another one.
        """
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        found = sha256_of(self.source)
        if self.listed not in (None, found):
            raise UserError(
                f"{self.source} does not have the checksum in dataset.json; see `yt360 check`",
                "conflict",
                self.source,
            )
        return found

    def is_at(self, remote: RemoteFile | None) -> bool:
        """Return whether a file on a hub has the same content.

        A sum that a list states is taken for that of the file, which is then not read.
        """
        if remote is None or remote.size != self.size:
            return False
        if remote.sha256 is not None:
            return remote.sha256 == (self.listed or self.sha256)
        return remote.blob == git_hash(self.source)


def git_hash(source: Path | bytes) -> str:
    """Return git's hash of a content: SHA-1 of ``blob SIZE``, a zero byte, and the content."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
