"""Search results and channels that are being read page by page, and which videos they showed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from yt360.catalog.rows import read_record

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog

ListingKind = Literal["search", "channel"]
ENOUGH_PAGES = "enough-pages"
"""Why a listing is done that has more pages than were wanted."""


@dataclass(frozen=True)
class Listing:
    """A claimed listing.

    Attributes:
        key: The query, or the channel's id.
        filters: What the site was asked to filter by; the same query with others is another.
        pages: How many pages have been read.
        next_page: The site's token of the page to read next; None for the first.
    """

    number: int
    kind: ListingKind
    key: str
    filters: str
    pages: int
    next_page: str | None
    tries: int
    token: str


class Listings:
    """The ``listings`` and ``sightings`` tables."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add(
        self, kind: ListingKind, key: str, filters: str = "", language: str | None = None
    ) -> bool:
        """Add a listing to read unless it is known; return whether it is new."""
        return bool(
            self._catalog.connection.execute(
                "INSERT INTO listings (kind, key, filters, language) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (kind, key, filters, language),
            ).rowcount
        )

    def take(self, lease_s: float) -> Listing | None:
        """Claim the next listing that is due; a claim of a crashed worker runs out."""
        now, token = self._catalog.clock(), uuid.uuid4().hex
        with self._catalog.transaction() as connection:
            row = connection.execute(
                "SELECT number, kind, key, filters, pages, next_page, tries FROM listings "
                "WHERE state = 'open' AND due_at <= ? ORDER BY due_at, number LIMIT 1",
                (now,),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE listings SET claim = ?, due_at = ? WHERE number = ?",
                (token, now + lease_s, row["number"]),
            )
        return read_record(Listing, row, token=token)

    def turn_page(
        self, listing: Listing, video_ids: Iterable[str], next_page: str | None, lease_s: float
    ) -> bool:
        """Record one page that was read: its videos, and where to go on (None at the end).

        Call it in one `Catalog.transaction` with the adding of the videos.

        Returns:
            False when another worker has the listing by now; nothing was recorded then.
        """
        ids = list(video_ids)
        with self._catalog.transaction() as connection:
            done = connection.execute(
                "UPDATE listings SET pages = pages + 1, hits = hits + ?, next_page = ?, tries = 0, "
                "due_at = ?, state = ?, claim = ? WHERE number = ? AND claim = ?",
                (
                    len(ids),
                    next_page,
                    self._catalog.clock() + lease_s,
                    "open" if next_page else "done",
                    listing.token if next_page else None,
                    listing.number,
                    listing.token,
                ),
            ).rowcount
            if done:
                connection.executemany(
                    "INSERT INTO sightings (video, listing) SELECT number, ? FROM videos "
                    "WHERE video_id = ? ON CONFLICT DO NOTHING",
                    ((listing.number, video_id) for video_id in ids),
                )
        return bool(done)

    def settle(
        self,
        listing: Listing,
        state: Literal["open", "done", "failed"],
        reason: str | None = None,
        delay_s: float = 0.0,
        count_try: bool = False,
    ) -> None:
        """Give a listing back: to be gone on with after a delay, or ended."""
        self._catalog.connection.execute(
            "UPDATE listings SET state = ?, reason = ?, due_at = ?, tries = tries + ?, "
            "claim = NULL WHERE number = ? AND claim = ?",
            (
                state,
                reason,
                self._catalog.clock() + delay_s if delay_s else 0.0,
                count_try,
                listing.number,
                listing.token,
            ),
        )

    def reopen(self, state: Literal["done", "failed"]) -> int:
        """Begin listings of a state anew, from their first page; return how many.

        ``"done"`` finds what was uploaded since, ``"failed"`` is for those that were given up.
        """
        return self._catalog.connection.execute(
            "UPDATE listings SET state = 'open', reason = NULL, next_page = NULL, pages = 0, "
            "hits = 0, tries = 0, due_at = 0 WHERE state = ?",
            (state,),
        ).rowcount

    def reopen_short(self, pages: int) -> int:
        """Go on with listings that were ended before `pages` pages and have more; say how many."""
        return self._catalog.connection.execute(
            "UPDATE listings SET state = 'open', reason = NULL, tries = 0, due_at = 0 "
            "WHERE state = 'done' AND reason = ? AND next_page IS NOT NULL AND pages < ?",
            (ENOUGH_PAGES, pages),
        ).rowcount

    def next_due_s(self) -> float | None:
        """Return the seconds until a listing is due (0 for now), or None when all are read."""
        row = self._catalog.connection.execute(
            "SELECT due_at FROM listings WHERE state = 'open' ORDER BY due_at LIMIT 1"
        ).fetchone()
        return None if row is None else max(0.0, row["due_at"] - self._catalog.clock())

    def channels_with_hits(self, least: int) -> list[tuple[str, int]]:
        """Return (channel id, hits) of channels that searches found often, most hits first.

        Videos that were rejected or are gone do not count.
        """
        rows = self._catalog.connection.execute(
            "SELECT channel_id, count(DISTINCT videos.number) AS found FROM sightings "
            "JOIN listings ON listings.number = sightings.listing AND listings.kind = 'search' "
            "JOIN videos ON videos.number = sightings.video "
            "WHERE channel_id IS NOT NULL AND videos.state NOT IN ('rejected', 'unavailable') "
            "GROUP BY channel_id HAVING found >= ? ORDER BY found DESC, channel_id",
            (least,),
        )
        return [(row["channel_id"], row["found"]) for row in rows]
