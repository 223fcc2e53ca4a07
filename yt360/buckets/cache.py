"""The local folder of workspaces and copies of what is in buckets."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

CACHE_VARIABLE = "YT360_CACHE"
COPIES_FOLDER = "copies"
"""Folder of a workspace of media for copies of objects (`yt360.buckets.copies`)."""
INCOMING_FOLDER = "incoming"
"""Folder of a workspace of media for files that are not uploaded yet."""


def cache_folder() -> Path:
    """Return the folder of all workspaces: ``$YT360_CACHE``, or ``~/.cache/yt360``."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "yt360")


def folder_name(url: str) -> str:
    """Return the name of the local folder of a URL: its last part, a hyphen, and a checksum."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", url.rsplit("/", 1)[-1])
    return f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:10]}"


def media_workspace(url: str) -> Path:
    """Return the local folder of a bucket with media."""
    return cache_folder() / "media" / folder_name(url)
