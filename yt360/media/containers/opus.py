"""The Opus identification header. Sources: RFC 7845, section 5.1, and RFC 8486."""

from __future__ import annotations

_MAGIC = b"OpusHead"
_FAMILY_AT = 18
# Family 3 of RFC 8486 needs a matrix that FFmpeg does not apply.
_DECODED_FAMILIES = (0, 1, 2, 255)


def undecodable_family(data: bytes) -> int | None:
    """Return the channel mapping family of an Opus header that FFmpeg cannot decode, else None.

    Args:
        data: Bytes that hold an ``OpusHead``, such as a codec's private data or an Ogg page.
    """
    start = data.find(_MAGIC)
    if start < 0 or len(data) <= start + _FAMILY_AT:
        return None
    family = data[start + _FAMILY_AT]
    return None if family in _DECODED_FAMILIES else family
