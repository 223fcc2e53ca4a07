"""Writing one shard: a tar whose bytes depend on its samples alone, whole or not there."""

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
    """Write the samples of one shard, clips and labels alike, with webdataset's `TarWriter`.

    A context manager. The shard appears under its name when the block ends without an error, and
    `info` is set then; after an error nothing is left::

        with ShardWriter(folder / "clips-000000.tar") as writer:
            writer.add("dQw4w9WgXcQ-00010", {"mp4": ..., "flac": ..., "json": ...})
        print(writer.info.sha256)

    Members of a sample stand in alphabetical order; times, owners and modes are fixed.

    Args:
        path: Final name of the shard. Its folder must exist.
    """

    info: ShardInfo

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clips = 0
        self._stack = ExitStack()

    def __enter__(self) -> ShardWriter:
        # webdataset imports torch, which readers of this module's neighbours should not wait for.
        from webdataset.writer import TarWriter

        self._file = _HashingFile(self._stack.enter_context(atomic_write(self.path)))
        self._tar = TarWriter(self._file, user="", group="", encoder=False, mtime=0)
        return self

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append a sample.

        Args:
            key: Its key, without ``.`` or ``/``; keys are given in the order of the shard.
            members: Suffix, such as ``"mp4"`` or ``"panoptic.npz"`` -> content.

        Raises:
            UserError: The key or a suffix cannot stand in a shard.
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
    """Refuse names that a tar reader would split or cut differently.

    Raises:
        UserError: The key holds ``.`` or ``/`` or is empty, the suffix has capitals (webdataset
            lower-cases it), or both together are too long.
    """
    if not key or "." in key or "/" in key:
        raise UserError(f"key {key!r} cannot stand in a shard: it must not hold '.' or '/'")
    if not suffix or suffix != suffix.lower() or "/" in suffix or suffix.startswith("_"):
        raise UserError(f"member suffix {suffix!r} must be lower case, like 'mp4'")
    if len(f"{key}.{suffix}".encode()) > MAX_NAME_BYTES:
        raise UserError(f"member name {key}.{suffix} is longer than {MAX_NAME_BYTES} bytes")


def member_bytes(size: int) -> int:
    """Return how many bytes a member of `size` bytes takes in a tar, its header included."""
    return TAR_BLOCK + -(-size // TAR_BLOCK) * TAR_BLOCK


class _HashingFile:
    """Count and hash what goes into a file, so that the shard need not be read again.

    When `broken`, it swallows what a tar that is given up still wants to write.
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
