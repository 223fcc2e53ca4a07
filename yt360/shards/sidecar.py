"""Facts that yt-dlp wrote beside a download (``NAME.info.json``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOURCE_FACTS = {
    "webpage_url": "url",
    "title": "title",
    "channel": "channel",
    "channel_id": "channel_id",
    "license": "license",
    "upload_date": "upload_date",
}
"""Name at yt-dlp -> name in a clip's ``.json``."""


def read_sidecar(path: Path) -> tuple[str | None, dict[str, Any]]:
    """Return the id and the source facts in a yt-dlp info file; nothing where it is not usable."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, {}
    if not isinstance(content, dict):
        return None, {}
    stated_id = content.get("id")
    return stated_id if isinstance(stated_id, str) else None, {
        ours: content[theirs].encode(errors="replace").decode()
        for theirs, ours in SOURCE_FACTS.items()
        if isinstance(content.get(theirs), str)
    }


def channel_of(facts: Mapping[str, Any]) -> str | None:
    """Return what tells the channel of a video from others, given its source facts."""
    channel = facts.get("channel_id") or facts.get("channel")
    return channel if isinstance(channel, str) else None
