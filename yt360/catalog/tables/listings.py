"""Searches and channels that are read page by page, and the videos found by each."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from yt360.catalog.database import Table
from yt360.catalog.rows import read_record

ListingKind = Literal["search", "channel"]
ENOUGH_PAGES = "enough-pages"
"""Reason of a listing that is done although it has more pages than requested."""


@dataclass(frozen=True)
class Listing:
    """A claimed listing.

    Attributes:
        key: The query, or the channel's id.
        filters: The site's filters; the same query with other filters is another listing.
        pages: Number of pages read.
        next_page: The site's token of the next page; None for the first page.
    """

    number: int
    kind: ListingKind
    key: str
    filters: str
    pages: int
    next_page: str | None
    tries: int
    token: str


class Listings(Table):
    """The ``listings`` and ``sightings`` tables."""

    def add(
        self, kind: ListingKind, key: str, filters: str = "", language: str | None = None
    ) -> bool:
        """Add a listing unless it is in the catalog; return whether it is new."""
        return bool(
            self._db.execute(
                "INSERT INTO listings (kind, key, filters, language) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (kind, key, filters, language),
            ).rowcount
        )

    def take(self, lease_s: float) -> Listing | None:
        """Claim the next listing that is due; the claim of a crashed worker expires."""
        now, token = self._db.clock(), uuid.uuid4().hex
        with self._db.transaction():
            row = self._db.execute(
                "SELECT number, kind, key, filters, pages, next_page, tries FROM listings "
                "WHERE state = 'open' AND due_at <= ? ORDER BY due_at, number LIMIT 1",
                (now,),
            ).fetchone()
            if row is None:
                return None
            self._db.execute(
                "UPDATE listings SET claim = ?, due_at = ? WHERE number = ?",
                (token, now + lease_s, row["number"]),
            )
        return read_record(Listing, row, token=token)

    def turn_page(
        self, listing: Listing, video_ids: Sequence[str], next_page: str | None, lease_s: float
    ) -> bool:
        """Record one page that was read.

        Call it in one `Database.transaction` with adding the videos.

        Args:
            listing: A claimed listing.
            video_ids: The videos on the page.
            next_page: Token of the next page; None at the end of the listing.
            lease_s: Seconds for which the claim is renewed.

        Returns:
            False when another worker has claimed the listing; nothing is recorded then.
        """
        with self._db.transaction():
            done = self._db.execute(
                "UPDATE listings SET pages = pages + 1, hits = hits + ?, next_page = ?, tries = 0, "
                "due_at = ?, state = ?, claim = ? WHERE number = ? AND claim = ?",
                (
                    len(video_ids),
                    next_page,
                    self._db.clock() + lease_s,
                    "open" if next_page else "done",
                    listing.token if next_page else None,
                    listing.number,
                    listing.token,
                ),
            ).rowcount
            if done:
                self._db.connection.executemany(
                    "INSERT INTO sightings (video, listing) SELECT number, ? FROM videos "
                    "WHERE video_id = ? ON CONFLICT DO NOTHING",
                    ((listing.number, video_id) for video_id in video_ids),
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
        """End the claim on a listing: it is continued after a delay (``"open"``), or has ended."""
        self._db.execute(
            "UPDATE listings SET state = ?, reason = ?, due_at = ?, tries = tries + ?, "
            "claim = NULL WHERE number = ? AND claim = ?",
            (
                state,
                reason,
                self._db.clock() + delay_s if delay_s else 0.0,
                count_try,
                listing.number,
                listing.token,
            ),
        )

    def reopen(self, state: Literal["done", "failed"]) -> int:
        """Restart the listings of a state from their first page; return their number.

        Restarting ``"done"`` listings finds recent uploads.
        """
        return self._db.execute(
            "UPDATE listings SET state = 'open', reason = NULL, next_page = NULL, pages = 0, "
            "hits = 0, tries = 0, due_at = 0 WHERE state = ?",
            (state,),
        ).rowcount

    def reopen_short(self, pages: int) -> int:
        """Continue listings that were ended after fewer than `pages` pages; return their number."""
        return self._db.execute(
            "UPDATE listings SET state = 'open', reason = NULL, tries = 0, due_at = 0 "
            "WHERE state = 'done' AND reason = ? AND next_page IS NOT NULL AND pages < ?",
            (ENOUGH_PAGES, pages),
        ).rowcount

    def next_due_s(self) -> float | None:
        """Return the seconds until a listing is due (0 for now), or None when none is open."""
        row = self._db.execute(
            "SELECT due_at FROM listings WHERE state = 'open' ORDER BY due_at LIMIT 1"
        ).fetchone()
        return None if row is None else max(0.0, row["due_at"] - self._db.clock())

    def channels_with_hits(self, min_hits: int) -> list[tuple[str, int]]:
        """Return (channel id, hits) of the channels that searches found, most hits first.

        Rejected and unavailable videos do not count as hits.
        """
        rows = self._db.execute(
            "SELECT channel_id, count(DISTINCT videos.number) AS found FROM sightings "
            "JOIN listings ON listings.number = sightings.listing AND listings.kind = 'search' "
            "JOIN videos ON videos.number = sightings.video "
            "WHERE channel_id IS NOT NULL AND videos.state NOT IN ('rejected', 'unavailable') "
            "GROUP BY channel_id HAVING found >= ? ORDER BY found DESC, channel_id",
            (min_hits,),
        )
        return [(row["channel_id"], row["found"]) for row in rows]
