"""HTTP byte ranges: the part of a member that a browser asks for, in small pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from starlette.responses import Response, StreamingResponse

from yt360.explore.sources.source import Member

PIECE_BYTES = 1 << 18
"""Bytes in memory for each request."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def requested_range(header: str | None, size: int) -> range | None:
    """Return the bytes that a ``Range`` header asks for.

    Several ranges, and units other than bytes, may be ignored (RFC 9110, 14.2): the answer is then
    the whole file.

    Returns:
        The bytes, empty if the file has none of them; None for the whole file.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None  # invalid
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


def range_response(member: Member, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return the answer to a request for a member, with the part that the headers ask for.

    Args:
        member: The video or audio of a clip.
        media_type: Its media type.
        headers: Headers of the request, with names in lower case.

    Raises:
        BadItem: The first bytes cannot be read.
    """
    tag = f'"{member.tag}"'
    common = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "private, max-age=3600"}
    if tag in headers.get("if-none-match", ""):
        return Response(status_code=304, headers=common)
    part = requested_range(headers.get("range"), member.size)
    if headers.get("if-range", tag) != tag:
        part = None
    if part is not None and not part:
        common["Content-Range"] = f"bytes */{member.size}"
        return Response(status_code=416, headers=common)
    if part is not None:
        common["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{member.size}"
    asked = range(member.size) if part is None else part
    common["Content-Length"] = str(len(asked))
    pieces = _pieces(member, asked)
    first = next(pieces, b"")  # an error becomes an answer of its own
    return StreamingResponse(
        _chain(first, pieces), 200 if part is None else 206, common, media_type
    )


def _pieces(member: Member, part: range) -> Iterator[bytes]:
    for start in range(part.start, part.stop, PIECE_BYTES):
        yield bytes(member.read(start, min(start + PIECE_BYTES, part.stop)))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
