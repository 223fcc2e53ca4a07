"""Write one shard: a tar whose bytes depend on its samples alone.

The bytes are those of webdataset's `TarWriter`, whose import takes three seconds and 560 MiB.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.shards.format.dataset_info import ShardInfo

TAR_BLOCK = 512
_MEMBER_MODE = 0o444
# A key and a suffix must fit the name field of a ustar header, or tar readers disagree.
MAX_NAME_BYTES = 100


class ShardWriter:
    """Write the samples of one shard, of clips or labels.

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
        self._file = _HashingFile(self._stack.enter_context(atomic_write(self.path)))
        self._stack.push(self._write_end)
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
        for suffix, content in sorted(members.items()):
            self._file.write(member_header(f"{key}.{suffix}", len(content)))
            self._file.write(content)
            self._file.write(bytes(-len(content) % TAR_BLOCK))
        self.clips += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            self.info = ShardInfo(
                name=self.path.name,
                clips=self.clips,
                bytes=self._file.count,
                sha256=self._file.digest.hexdigest(),
            )

    def _write_end(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Write the end of the archive: two empty blocks, and empty blocks up to a whole record."""
        if kind is None:
            self._file.write(bytes(2 * TAR_BLOCK))
            self._file.write(bytes(-self._file.count % tarfile.RECORDSIZE))


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


def member_header(name: str, size: int) -> bytes:
    """Return the ustar header of a regular file without a time and an owner."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, _MEMBER_MODE
    return member.tobuf(tarfile.USTAR_FORMAT)


class _HashingFile:
    """Count and hash what is written, so that the shard need not be read again."""

    def __init__(self, file: IO[Any]) -> None:
        self.file = file
        self.count = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        self.file.write(content)
        self.digest.update(content)
        self.count += len(content)
