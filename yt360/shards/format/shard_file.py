"""Open shards, read by byte range; without the imports that reading an index needs."""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import repeat
from operator import add
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from yt360.errors import BadItem
from yt360.untrusted.files import open_regular

MAX_OPEN_SHARDS = 256
MAX_MEMBER_BYTES = 1 << 30
"""Largest member that is copied; those of a clip of 10 s have 2 MB."""

Method = Literal["mmap", "pread"]
Content: TypeAlias = bytes | memoryview


class ClipLocation(NamedTuple):
    """Where the video and the audio of a clip are stored.

    Attributes:
        shard: Path of the shard.
        mp4_offset: First byte of the video in the shard.
        mp4_bytes: Size of the video.
        flac_offset: First byte of the audio in the shard.
        flac_bytes: Size of the audio.
    """

    shard: str
    mp4_offset: int
    mp4_bytes: int
    flac_offset: int
    flac_bytes: int


class ShardFiles:
    """The shards of a folder that were read last, open; may be used from many threads.

    Args:
        folder: Folder that must contain the target of a link.
        method: See `ShardFile`.
    """

    def __init__(self, folder: Path, method: Method = "pread") -> None:
        self.folder, self.method = folder, method
        self._open: OrderedDict[str, ShardFile] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, path: str) -> ShardFile:
        """Return a shard, opened at its first use.

        Raises:
            BadItem: ``"shard-unreadable"``.
        """
        with self._lock:
            shard = self._open.get(path)
            if shard is None:
                shard = self._open[path] = ShardFile(Path(path), self.folder, self.method)
                if len(self._open) > MAX_OPEN_SHARDS:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(path)
            return shard

    def close(self) -> None:
        """Close the shards; views that were read stay valid."""
        with self._lock:
            self._open.clear()


class ShardFile:
    """One open shard; closed when nothing refers to it or to a view of it.

    Args:
        path: The shard.
        folder: Folder that must contain the target of a link.
        method: ``"pread"`` copies; ``"mmap"`` returns views.

    Attributes:
        version: Distinguishes this file, with its present content, from all others.

    Raises:
        BadItem: ``"shard-unreadable"``.
    """

    def __init__(self, path: Path, folder: Path, method: Method = "pread") -> None:
        self.path = path
        self._view: memoryview | None = None
        try:
            self._file = open_regular(path, folder)
            status = os.fstat(self._file.fileno())
            self._size = status.st_size
            self.version = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
            if method == "mmap":
                self._view = memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
                self._file.close()  # the map keeps a descriptor of its own
        except (OSError, ValueError) as error:
            raise BadItem("shard-unreadable", f"{path} cannot be opened: {error}") from None

    def read(self, offset: int, size: int, memory: memoryview | None = None) -> memoryview:
        """Return a range of bytes, read-only.

        Args:
            offset: First byte.
            size: Number of bytes.
            memory: At least `size` writable bytes, in which a copy may be returned.

        Raises:
            BadItem: ``"shard-truncated"`` or ``"too-large"``.
        """
        content = memoryview(b"")
        if offset + size <= self._size:  # do not allocate a wrong size
            if self._view is None and size > MAX_MEMBER_BYTES:
                raise BadItem(
                    "too-large",
                    f"{self.path}: {size} bytes at byte {offset}; "
                    f"at most {MAX_MEMBER_BYTES} are allowed",
                )
            if self._view is not None:
                content = self._view[offset : offset + size]
            elif memory is not None:
                content = _pread_into(self._file.fileno(), offset, memory[:size])
            else:
                content = memoryview(_pread(self._file.fileno(), offset, size))
        if len(content) != size:
            raise BadItem(
                "shard-truncated",
                f"{self.path} ends before byte {offset + size}; `yt360 check` lists all faults",
            )
        return content

    def read_each(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        """Return copies of ranges of bytes, in a third of the time of `read` if they are small.

        Raises:
            BadItem: See `read`.
        """
        end = max(map(add, offsets, sizes), default=0)
        if self._view is None and end <= self._size and max(sizes, default=0) <= MAX_MEMBER_BYTES:
            contents = [*map(os.pread, repeat(self._file.fileno()), sizes, offsets)]
            if [*map(len, contents)] == sizes:
                return contents
        return [*map(bytes, map(self.read, offsets, sizes))]

    def will_read(self, offset: int, size: int) -> None:
        """Ask the system to prefetch a range of a file that is copied, without waiting for it."""
        if self._view is None and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), offset, size, os.POSIX_FADV_WILLNEED)


def _pread(descriptor: int, offset: int, size: int) -> bytes:
    """Read all bytes; a single pread may return fewer (at most 2 GiB, or until a signal)."""
    content = os.pread(descriptor, size, offset)
    while len(content) < size:
        more = os.pread(descriptor, size - len(content), offset + len(content))
        if not more:
            break
        content += more
    return content


def _pread_into(descriptor: int, offset: int, memory: memoryview) -> memoryview:
    """Fill memory with bytes of a file; return what was filled, which is less at its end."""
    filled = 0
    while filled < len(memory):
        more = os.preadv(descriptor, [memory[filled:]], offset + filled)
        if not more:
            break
        filled += more
    return memory[:filled].toreadonly()
