"""Facts that yt-dlp writes beside a download (``NAME.info.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yt360.untrusted.page import read_info_file, read_page

SOURCE_FACTS = {
    "webpage_url": "url",
    "title": "title",
    "channel": "channel",
    "channel_id": "channel_id",
    "license": "license",
    "upload_date": "upload_date",
}
"""yt-dlp's name of a fact -> its name in a clip's ``.json``."""


def read_info_json(path: Path) -> tuple[str | None, dict[str, Any]]:
    """Return the id and the source facts in an info file; (None, {}) if it cannot be read."""
    try:
        page = read_page(read_info_file(path))
    except (OSError, ValueError):
        return None, {}
    return page.get("id"), {
        ours: page[theirs].encode(errors="replace").decode()
        for theirs, ours in SOURCE_FACTS.items()
        if theirs in page
    }


def channel_of(facts: Mapping[str, Any]) -> str | None:
    """Return the id of a video's channel, or else its name, given its source facts."""
    channel = facts.get("channel_id") or facts.get("channel")
    return channel if isinstance(channel, str) else None
