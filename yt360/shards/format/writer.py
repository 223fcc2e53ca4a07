"""Write one shard: a tar whose bytes depend on its samples alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.shards.format.schema import ShardInfo

TAR_BLOCK = 512
# A key and a suffix must fit the name field of a ustar header, or tar readers disagree.
MAX_NAME_BYTES = 100


class ShardWriter:
    """Write the samples of one shard, of clips or labels, with webdataset's `TarWriter`.

    Use as a context manager. When the block ends without an error, the shard appears under its name
    and `info` is set; after an error, nothing is left::

        with ShardWriter(folder / "clips-000000.tar") as writer:
            writer.add("dQw4w9WgXcQ-00010", {"mp4": ..., "flac": ..., "json": ...})
        print(writer.info.sha256)

    Members of a sample are in alphabetical order; times, owners and modes are fixed.

    Args:
        path: Final name of the shard. Its folder must exist.
    """

    info: ShardInfo

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clips = 0
        self._stack = ExitStack()

    def __enter__(self) -> ShardWriter:
        # webdataset imports torch, which takes seconds that only writers should wait.
        from webdataset.writer import TarWriter

        self._file = _HashingFile(self._stack.enter_context(atomic_write(self.path)))
        self._tar = TarWriter(self._file, user="", group="", encoder=False, mtime=0)
        return self

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append a sample.

        Args:
            key: Its key, without ``.`` or ``/``; give samples in the order of the shard.
            members: Suffix, such as ``"mp4"`` or ``"panoptic.npz"`` -> content.

        Raises:
            UserError: The key or a suffix cannot be used in a shard.
        """
        for suffix in members:
            check_member_name(key, suffix)
        self._tar.write({"__key__": key, **members})
        self.clips += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.broken = kind is not None
        try:
            self._tar.close()
        except BaseException as failure:
            self._file.broken = True
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            self.info = ShardInfo(
                name=self.path.name,
                clips=self.clips,
                bytes=self._file.count,
                sha256=self._file.digest.hexdigest(),
            )


def check_member_name(key: str, suffix: str) -> None:
    """Check the name of a member, which every tar reader must split alike.

    Raises:
        UserError: The key has ``.`` or ``/`` or is empty, the suffix has capitals (webdataset
            converts them to lower case), or the name is too long.
    """
    if not key or "." in key or "/" in key:
        raise UserError(f"key {key!r} is empty or has '.' or '/'; use other characters", key=key)
    if not suffix or suffix != suffix.lower() or "/" in suffix or suffix.startswith("_"):
        raise UserError(f"member suffix {suffix!r} must be lower case, such as 'mp4'", key=suffix)
    if len(f"{key}.{suffix}".encode()) > MAX_NAME_BYTES:
        raise UserError(
            f"member name {key}.{suffix} is longer than {MAX_NAME_BYTES} bytes", key=key
        )


def member_bytes(size: int) -> int:
    """Return how many bytes a member of `size` bytes takes in a tar, its header included."""
    return TAR_BLOCK + -(-size // TAR_BLOCK) * TAR_BLOCK


class _HashingFile:
    """Count and hash what is written, so that the shard need not be read again.

    If `broken`, it discards what the tar still writes when it is closed.
    """

    def __init__(self, file: IO[Any]) -> None:
        self.file = file
        self.broken = False
        self.count = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        if self.broken:
            return len(content)
        self.file.write(content)
        self.digest.update(content)
        self.count += len(content)
        return len(content)
