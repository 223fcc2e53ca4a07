"""The integrity check of a catalog, which reads all of it."""

from __future__ import annotations

from collections.abc import Iterator

from yt360.catalog.catalog import Catalog
from yt360.errors import BadItem

_MAX_PAGE_FAULTS = 20


def catalog_faults(catalog: Catalog) -> Iterator[str]:
    """Yield the faults of a catalog, one line each.

    The pages of the file are checked first (``PRAGMA quick_check``, about 10 s for 10^9 bytes).
    If they are whole, every row of every video is read.
    """
    (*pages,) = (str(row[0]) for row in catalog.execute(f"PRAGMA quick_check({_MAX_PAGE_FAULTS})"))
    if pages != ["ok"]:
        yield from pages
        return
    tables = (catalog.files.of, catalog.verdicts.of, catalog.clips.of, catalog.claims.history)
    for (video_id,) in catalog.execute("SELECT video_id FROM videos ORDER BY number"):
        try:
            for read in (catalog.videos.get, *tables):
                read(video_id)
        except BadItem as error:
            yield f"{video_id}: {error.detail}"
