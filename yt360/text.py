"""Text from outside, made fit for output."""

from __future__ import annotations

import re

_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: object) -> str:
    """Return `text` with a replacement character for each byte of a file name that is not UTF-8.

    Python holds such bytes as lone surrogates, which no strict output stream takes.
    """
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", str(text))
