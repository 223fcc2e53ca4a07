"""Find out what a user wants to look at: a dataset here or elsewhere, a catalog, or media files."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from yt360.catalog.opening import is_catalog
from yt360.errors import UserError
from yt360.explore.parts import Decoder
from yt360.explore.sources.catalog import CatalogSource
from yt360.explore.sources.dataset import DatasetSource
from yt360.explore.sources.folder import FolderSource
from yt360.explore.sources.present_classes import BUDGET_S
from yt360.explore.sources.source import Source
from yt360.shards.format.schema import DATASET_FILE

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/{1,2}[^/]", re.IGNORECASE)
# avsa has the cache of remote datasets and imports this package, so it is imported by name.
_MIRRORS, _CLIPS = "avsa.data.remote.mirror", "avsa.data.clips"


def open_source(
    place: str,
    decoder: Decoder,
    opened: Callable[[int, int], None] = lambda *_: None,
    classes_s: float = BUDGET_S,
) -> Source:
    """Open a dataset (a folder or a URL), a catalog, a folder of media files, or one media file.

    Args:
        place: Where it is.
        decoder: Where media is decoded.
        opened: Called with the number of opened media files of a folder, and of all.
        classes_s: Longest time that a part of the list spends on the classes of clips.

    Raises:
        UserError: It is none of these, or cannot be read.
    """
    if is_url(place):
        return _open_remote(place, decoder, classes_s)
    path = Path(place)
    if (path / DATASET_FILE).exists():
        return DatasetSource(path, decoder, classes_s=classes_s)
    if is_catalog(path):
        return CatalogSource(path, decoder)
    if not path.exists():
        raise UserError(
            f"{place} does not exist; give a dataset, a catalog, or a folder of 360° videos",
            code="missing",
            key=place,
        )
    return FolderSource(path, decoder, opened)


def is_url(place: str) -> bool:
    """Return whether a dataset is elsewhere."""
    return _URL.match(place) is not None


def _open_remote(url: str, decoder: Decoder, classes_s: float) -> DatasetSource:
    folder = import_module(_MIRRORS).dataset_folder(url)
    open_split = import_module(_CLIPS).open_clips
    return DatasetSource(folder, decoder, open_split, url.rstrip("/"), classes_s)
