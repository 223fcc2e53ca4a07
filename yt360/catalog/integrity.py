"""Reading the whole of a catalog, to find what is damaged before work begins."""

from __future__ import annotations

from collections.abc import Iterator

from yt360.catalog.catalog import Catalog
from yt360.errors import BadItem

_MOST_PAGES_TOLD = 20


def catalog_faults(catalog: Catalog) -> Iterator[str]:
    """Yield what is wrong with a catalog, in one line each; nothing when it is whole.

    The pages of the file are checked first (``PRAGMA quick_check``, about 10 s for 10^9 bytes).
    When they are whole, every row of every video is read.
    """
    (*pages,) = (
        str(row[0]) for row in catalog.connection.execute(f"PRAGMA quick_check({_MOST_PAGES_TOLD})")
    )
    if pages != ["ok"]:
        yield from pages
        return
    rows = catalog.connection.execute("SELECT video_id FROM videos ORDER BY number")
    for (video_id,) in rows:
        try:
            catalog.videos.get(video_id)
            for read in (
                catalog.files.of,
                catalog.verdicts.of,
                catalog.clips.of,
                catalog.claims.history,
            ):
                read(video_id)
        except BadItem as error:
            yield f"{video_id}: {error.detail}"
