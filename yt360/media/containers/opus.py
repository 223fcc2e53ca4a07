"""The Opus identification header. Sources: RFC 7845, section 5.1, and RFC 8486."""

from __future__ import annotations

_MAGIC = b"OpusHead"
_FAMILY_AT = 18
# FFmpeg does not apply the demixing matrix of family 3 (RFC 8486).
_DECODED_FAMILIES = (0, 1, 2, 255)


def undecodable_family(data: bytes) -> int | None:
    """Return the channel mapping family of an Opus header if FFmpeg cannot decode it, else None.

    Args:
        data: Bytes that contain an ``OpusHead``, such as a codec's private data or an Ogg page.
    """
    start = data.find(_MAGIC)
    if start < 0 or len(data) <= start + _FAMILY_AT:
        return None
    family = data[start + _FAMILY_AT]
    return None if family in _DECODED_FAMILIES else family
