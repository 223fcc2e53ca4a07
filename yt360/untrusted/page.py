"""Metadata of a video's page from yt-dlp: from the site, or from an ``.info.json``.

yt-dlp passes on values of any type, length and depth. This module converts each value to a text or
a number within limits, or to unknown. Texts keep control characters, which `yt360.terminal.output`
prints as escapes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from yt360.untrusted.files import read_limited

MAX_INFO_BYTES = 64 << 20
MAX_TEXT = 10_000
MAX_ITEMS = 1000
"""Limit of a list of texts, such as tags, and of the formats of a video."""
_MAX_NUMBER = 2.0**53
_MAX_SECONDS = 1e9
_DATE = re.compile(r"[0-9]{8}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def text(value: Any) -> str | None:
    """Return a text of at most `MAX_TEXT` characters, or None."""
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def number(value: Any) -> float | None:
    """Return a finite number of at most 2^53 in size, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _MAX_NUMBER and math.isfinite(value) else None


def amount(value: Any) -> float | None:
    """Return a number of 0 or more, see `number`."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def _seconds(value: Any) -> float | None:
    found = amount(value)
    return found if found is not None and found <= _MAX_SECONDS else None


def _date(value: Any) -> str | None:
    return value if isinstance(value, str) and _DATE.fullmatch(value) else None


def _texts(value: Any) -> list[str] | None:
    if not isinstance(value, list | tuple):
        return None
    found = [each for each in value[:MAX_ITEMS] if text(each) is not None]
    return found or None


_PAGE: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "id", "title", "channel_id", "channel", "uploader", "license", "webpage_url",
            "availability", "language", "live_status",
        ),
        text,
    ),
    **dict.fromkeys(("timestamp", "release_timestamp", "view_count"), number),
    **dict.fromkeys(("categories", "tags"), _texts),
    "duration": _seconds,
    "upload_date": _date,
}  # fmt: skip
_FORMAT: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("format_note", "vcodec", "acodec", "protocol", "ext", "url"), text),
    **dict.fromkeys(
        ("abr", "audio_channels", "filesize", "fps", "height", "tbr", "width"), amount
    ),
    "language_preference": number,
}  # fmt: skip


def read_page(info: Any) -> dict[str, Any]:
    """Return the facts of a page by yt-dlp's names; what is odd or not stated is left out."""
    if not isinstance(info, Mapping):
        return {}
    found = {name: read(info.get(name)) for name, read in _PAGE.items()}
    return {name: value for name, value in found.items() if value is not None}


def read_formats(formats: Any) -> list[dict[str, Any]]:
    """Return the formats of a page, of which what this program looks at is of the right types.

    What else a format holds is left for yt-dlp, which downloads it. Formats without an id and those
    beyond `MAX_ITEMS` are left out.

    Args:
        formats: The list ``formats`` of a yt-dlp info dict.
    """
    if not isinstance(formats, Sequence) or isinstance(formats, str | bytes):
        return []
    return [
        {**each, **{name: read(each[name]) for name, read in _FORMAT.items() if name in each}}
        for each in formats[:MAX_ITEMS]
        if isinstance(each, Mapping) and text(each.get("format_id"))
    ]


def file_part(name: Any) -> str | None:
    """Return a part of a file's name that a page states, such as a suffix, or None.

    It has at most 64 characters of ``A-Z a-z 0-9 _ . + -`` and begins with a letter or a digit.
    """
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None


def read_info_file(path: Path) -> Any:
    """Return the content of an ``.info.json``, for `read_page` and `read_formats`.

    Raises:
        ValueError: It is no regular file of at most `MAX_INFO_BYTES`, or no JSON.
        OSError: It does not exist or cannot be read.
    """
    content = read_limited(path, MAX_INFO_BYTES)
    try:
        # Unlike `parse_json` this takes half a surrogate pair, which titles may end with.
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
