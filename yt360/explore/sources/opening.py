"""Open what a user wants to look at: a dataset here or elsewhere."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from yt360.explore.sources.dataset import DatasetSource
from yt360.explore.sources.source import Source

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/{1,2}[^/]", re.IGNORECASE)
# avsa has the cache of remote datasets and imports this package, so it is imported by name.
_MIRRORS, _CLIPS = "avsa.data.remote.mirror", "avsa.data.clips"


def open_source(place: str) -> Source:
    """Open a dataset, by its folder or its URL.

    Raises:
        UserError: It is not a dataset, or cannot be read.
    """
    if _URL.match(place):
        return _open_remote(place)
    return DatasetSource(Path(place))


def _open_remote(url: str) -> DatasetSource:
    mirrors = import_module(_MIRRORS)
    folder = mirrors.dataset_folder(url)
    return DatasetSource(folder, import_module(_CLIPS).open_clips, url.rstrip("/"))
