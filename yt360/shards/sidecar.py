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


def read_sidecar(path: Path) -> dict[str, Any]:
    """Return the source facts in a yt-dlp info file; nothing where there is no usable one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        ours: content[theirs].encode(errors="replace").decode()
        for theirs, ours in SOURCE_FACTS.items()
        if isinstance(content.get(theirs), str)
    }


def channel_of(facts: Mapping[str, Any]) -> str | None:
    """Return what tells the channel of a video from others, given its source facts."""
    channel = facts.get("channel_id") or facts.get("channel")
    return channel if isinstance(channel, str) else None
