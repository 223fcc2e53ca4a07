"""The state of the rate limit of each site, shared by all threads and processes on a catalog."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from yt360.catalog.database import Table, upsert
from yt360.catalog.rows import read_record

_MAX_QUEUE_S = 3600.0
"""Reservations further in the future are ignored, because they come from a wrong clock."""


@dataclass(frozen=True)
class SiteState:
    """State of a site.

    Attributes:
        paused_until: No request before this time (seconds since 1970).
        strikes: Number of pauses in a row without a success between them.
        troubles: Number of refusals and broken responses in a row that caused no pause.
    """

    paused_until: float = 0.0
    strikes: int = 0
    troubles: int = 0


@dataclass(frozen=True)
class _Reservation:
    next_at: float = 0.0
    paused_until: float = 0.0


class Sites(Table):
    """The ``sites`` table."""

    def get(self, site: str) -> SiteState:
        """Return the state of a site."""
        row = self._db.execute(
            "SELECT paused_until, strikes, troubles FROM sites WHERE site = ?", (site,)
        ).fetchone()
        return read_record(SiteState, row) if row else SiteState()

    def put(self, site: str, state: SiteState) -> None:
        """Store the state of a site."""
        columns = {"site": site, **asdict(state)}
        self._db.execute(upsert("sites", ["site"], [*columns]), [*columns.values()])

    def pauses_s(self) -> dict[str, float]:
        """Return the remaining seconds of the pause of each site that is paused."""
        now = self._db.clock()
        rows = self._db.execute(
            "SELECT site, paused_until FROM sites WHERE paused_until > ?", (now,)
        )
        return {row["site"]: row["paused_until"] - now for row in rows}

    def reserve(self, site: str, gap_s: float) -> float:
        """Reserve the next free time for a request to a site and return it (seconds since 1970).

        Reserved times are at least `gap_s` seconds apart over all processes, and after any pause.
        """
        with self._db.transaction():
            row = self._db.execute(
                "SELECT next_at, paused_until FROM sites WHERE site = ?", (site,)
            ).fetchone()
            now = self._db.clock()
            reserved = read_record(_Reservation, row) if row else _Reservation()
            moment = max(now, reserved.paused_until)
            if reserved.next_at < now + _MAX_QUEUE_S:
                moment = max(moment, reserved.next_at)
            sql = upsert("sites", ["site"], ["site", "next_at"])
            self._db.execute(sql, (site, moment + gap_s))
        return moment
