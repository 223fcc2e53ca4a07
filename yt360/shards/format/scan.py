"""Read the tar headers of a shard: its samples and their byte ranges.

A shard is a plain ustar archive of regular files (shards/README.md); links, sparse files and
extended headers are refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from yt360.errors import UserError
from yt360.shards.format.writer import TAR_BLOCK
from yt360.untrusted.files import open_regular

MAX_MEMBERS = 100
"""Largest number of members of one sample."""
_REGULAR = (b"0", b"\0")
_EXTENDED = (b"x", b"g", b"L", b"K")  # of POSIX.1-2001 (pax), and GNU's for long names
# Fields of a header, in bytes: POSIX.1-1988, "ustar".
_NAME, _SIZE, _SUM = slice(0, 100), slice(124, 136), slice(148, 156)
_TYPE, _MAGIC, _PREFIX = slice(156, 157), slice(257, 262), slice(345, 500)
_OCTAL = re.compile(rb" *([0-7]{1,12})[ \0]*")
_END = bytes(TAR_BLOCK)


@dataclass(frozen=True)
class SampleRanges:
    """The members of one sample in a shard: suffix -> (offset, length) in bytes."""

    key: str
    members: dict[str, tuple[int, int]]


def scan_shard(path: Path, inside: Path | None = None) -> Iterator[SampleRanges]:
    """Yield the samples of a shard in order, reading only the tar headers.

    Args:
        path: The shard.
        inside: A folder that links must not lead out of.

    Raises:
        UserError: The file is not a complete tar, or holds something other than samples.
        FileNotFoundError: It does not exist.
    """
    current: SampleRanges | None = None
    try:
        with open_regular(path, inside) as file:
            for name, offset, size in _members(file):
                key, _, suffix = name.partition(".")
                if current is None or key != current.key:
                    if current is not None:
                        yield current
                    current = SampleRanges(key, {})
                if suffix in current.members:
                    raise UserError(f"{path}: member {name!r} occurs twice", key=path)
                if len(current.members) == MAX_MEMBERS:
                    raise UserError(
                        f"{path}: {key!r} has more than {MAX_MEMBERS} members", key=path
                    )
                current.members[suffix] = (offset, size)
    except _NotAMember as error:
        raise UserError(f"{path}: {error}", key=path) from None
    except ValueError as error:
        raise UserError(f"{path} is not a complete tar: {error}", key=path) from None
    if current is not None:
        yield current


class _NotAMember(ValueError):
    """A tar holds something other than members of samples."""


def _members(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Yield the name, offset and length of each member.

    Raises:
        ValueError: The tar is truncated or damaged, or holds something other than regular files.
    """
    length, position = os.fstat(file.fileno()).st_size, 0
    while True:
        header = os.pread(file.fileno(), TAR_BLOCK, position)
        if header == _END and os.pread(file.fileno(), TAR_BLOCK, position + TAR_BLOCK) == _END:
            return
        size = _size_of(header)
        if size is None or position + TAR_BLOCK + size > length:
            raise ValueError(f"it is truncated or damaged at byte {position}")
        yield _name_of(header), position + TAR_BLOCK, size
        position += TAR_BLOCK + -(-size // TAR_BLOCK) * TAR_BLOCK


def _size_of(header: bytes) -> int | None:
    """Return the length of the member after a header, or None for an invalid header."""
    if len(header) < TAR_BLOCK or header[_MAGIC] != b"ustar":
        return None
    total = sum(header) - sum(header[_SUM]) + len(header[_SUM]) * ord(" ")
    stated, size = _OCTAL.fullmatch(header[_SUM]), _OCTAL.fullmatch(header[_SIZE])
    if stated is None or int(stated[1], 8) != total or size is None:
        return None
    return int(size[1], 8)


def _name_of(header: bytes) -> str:
    raw = header[_NAME].rstrip(b"\0")
    name = raw.decode("ascii", "backslashreplace")
    key, _, suffix = name.partition(".")
    if header[_TYPE] in _EXTENDED:
        raise _NotAMember(
            f"{name!r} is an extended header, not a member of a sample; write shards in plain "
            "ustar format (`tar --format=ustar`, tarfile.USTAR_FORMAT)"
        )
    is_plain = raw.isascii() and name.isprintable() and "/" not in name and key and suffix
    if header[_TYPE] not in _REGULAR or header[_PREFIX][:1] != b"\0" or not is_plain:
        raise _NotAMember(f"{name!r} is not a member of a sample")
    return name
