"""Changing archives in their own terms, so that they still open."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from random import Random

from fuzzing.mutate import HOSTILE, mutate_bytes

_BLOCK = 512

# Tar


def mutate_tar(draw: Random, content: bytes) -> bytes:
    """Return a tar with changed header fields (and right sums), blocks or bytes."""
    if len(content) < _BLOCK or draw.random() < 0.25:
        return mutate_bytes(draw, content)
    changed = bytearray(content)
    headers = _tar_headers(content) or [0]
    for _ in range(draw.choice((1, 1, 2, 4))):
        draw.choice(_TAR_CHANGES)(draw, changed, draw.choice(headers))
    return bytes(changed)


_TAR_FIELDS = ((0, 100), (100, 8), (108, 8), (124, 12), (124, 12), (136, 12), (156, 1), (157, 100),
               (257, 6), (263, 2), (329, 8), (345, 155))  # fmt: skip
_TAR_WORDS = (
    b"\x80" + b"\xff" * 11, b"\xff" * 12, b"77777777777\x00", b"00000000000\x00",
    b"-1\x00", b"\x00",
    b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"x", b"g", b"L", b"K", b"S", b"99999999", b" ",
)  # fmt: skip


_PAX_KEYS = ("size", "path", "mtime", "GNU.sparse.size", "GNU.sparse.map", "hdrcharset")
_PAX_WORDS = ("-1", "1e400", "99999999999999999999", "../x", "a", "0,1,2")


def _tar_headers(content: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return [member.offset for member in tar]


def _change_field(draw: Random, content: bytearray, header: int) -> None:
    offset, size = draw.choice(_TAR_FIELDS)
    word = draw.choice((*_TAR_WORDS, draw.choice(HOSTILE).encode(errors="replace")))
    content[header + offset : header + offset + size] = word[:size].ljust(size, b"\x00")
    _right_sum(content, header)


def _right_sum(content: bytearray, header: int) -> None:
    content[header + 148 : header + 156] = b" " * 8
    total = sum(content[header : header + _BLOCK])
    content[header + 148 : header + 156] = b"%06o\x00 " % total


def _drop_blocks(draw: Random, content: bytearray, header: int) -> None:
    del content[header : header + _BLOCK * draw.choice((1, 2, 100))]


def _repeat_blocks(draw: Random, content: bytearray, header: int) -> None:
    content[header:header] = content[header : header + _BLOCK * draw.choice((1, 2, 3, 20))]


def _add_member(draw: Random, content: bytearray, header: int) -> None:
    """Put a member of a kind that no shard holds in front of another."""
    info = tarfile.TarInfo(draw.choice(HOSTILE)[:5000].replace("\x00", "_") or "x")
    info.type = draw.choice((b"0", b"1", b"2", b"3", b"5", b"6", b"S"))
    info.linkname = draw.choice(("/dev/zero", "../../victim/file", ""))
    if draw.random() < 0.3:
        info.pax_headers = {draw.choice(_PAX_KEYS): draw.choice(_PAX_WORDS)}
    try:
        block = info.tobuf(draw.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)), errors="replace")
    except (ValueError, OverflowError):
        return
    content[header:header] = block


_TAR_CHANGES: tuple[Callable[[Random, bytearray, int], None], ...] = (
    _change_field, _change_field, _change_field, _drop_blocks, _repeat_blocks, _add_member,
)  # fmt: skip


# Zip: .npz, and what torch saves


def mutate_zip(
    draw: Random, content: bytes, change: Callable[[Random, str, bytes], bytes]
) -> bytes:
    """Return a zip in which members are changed, renamed, left out, twice there, or very long.

    Args:
        draw: The source of the changes.
        content: A zip.
        change: Changes a member, given its name and content.
    """
    if draw.random() < 0.25:
        return mutate_bytes(draw, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = draw.randrange(len(members))
    name, inner = members[place]
    kind = draw.random()
    if kind < 0.7:
        members[place] = name, change(draw, name, inner)
    elif kind < 0.78:
        members[place] = draw.choice(HOSTILE)[:1000].encode(errors="replace").decode(), inner
    elif kind < 0.84:
        del members[place]
    elif kind < 0.9:
        members.append((name, change(draw, name, inner)))
    else:
        members[place] = name, inner + bytes(1 << draw.choice((10, 20, 26)))
    deflated = draw.random() < 0.3 or kind >= 0.9
    return _zipped(members, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)


def _zipped(members: Sequence[tuple[str, bytes]], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, inner in members:
            info = zipfile.ZipInfo(name.replace("\x00", "_") or "_")
            info.compress_type = method
            archive.NameToInfo.pop(info.filename, None)  # no warning of a name that is there twice
            archive.writestr(info, inner, compresslevel=1)
    return buffer.getvalue()


# Safetensors


def mutate_safetensors(
    draw: Random, content: bytes, change: Callable[[Random, bytes], bytes]
) -> bytes:
    """Return a safetensors file with a changed header (and its right length) or changed bytes."""
    if draw.random() < 0.3:
        return mutate_bytes(draw, content)
    (size,) = struct.unpack_from("<Q", content)
    header = change(draw, content[8 : 8 + size])
    return struct.pack("<Q", len(header)) + header + content[8 + size :]
