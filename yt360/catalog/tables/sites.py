"""When each site may be asked next: shared by every thread and process that uses the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yt360.catalog.rows import read_record

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog

_LONGEST_QUEUE_S = 3600.0
"""A moment that is booked later than this was booked by a clock that was wrong."""


@dataclass(frozen=True)
class SiteState:
    """How a site stands.

    Attributes:
        paused_until: No request before this time (seconds since 1970).
        strikes: Pauses in a row without a success between them.
        troubles: Refusals and broken answers in a row, below the level of a pause.
    """

    paused_until: float = 0.0
    strikes: int = 0
    troubles: int = 0


@dataclass(frozen=True)
class _Booking:
    next_at: float = 0.0
    paused_until: float = 0.0


class Sites:
    """The ``sites`` table."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def get(self, site: str) -> SiteState:
        """Return how a site stands; an unknown one stands well."""
        row = self._catalog.connection.execute(
            "SELECT paused_until, strikes, troubles FROM sites WHERE site = ?", (site,)
        ).fetchone()
        return read_record(SiteState, row) if row else SiteState()

    def reserve(self, site: str, gap_s: float) -> float:
        """Book the next free moment to ask `site` and return it (seconds since 1970).

        Moments are at least `gap_s` apart, counted over all processes, and after any pause.
        """
        with self._catalog.transaction() as connection:
            row = connection.execute(
                "SELECT next_at, paused_until FROM sites WHERE site = ?", (site,)
            ).fetchone()
            now = self._catalog.clock()
            booked = read_record(_Booking, row) if row else _Booking()
            moment = max(now, booked.paused_until)
            if booked.next_at < now + _LONGEST_QUEUE_S:
                moment = max(moment, booked.next_at)
            connection.execute(
                "INSERT INTO sites (site, next_at) VALUES (?, ?) "
                "ON CONFLICT (site) DO UPDATE SET next_at = excluded.next_at",
                (site, moment + gap_s),
            )
        return moment

    def put(self, site: str, state: SiteState) -> None:
        """Store how a site stands."""
        self._catalog.connection.execute(
            "INSERT INTO sites (site, paused_until, strikes, troubles) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (site) DO UPDATE SET paused_until = excluded.paused_until, "
            "strikes = excluded.strikes, troubles = excluded.troubles",
            (site, state.paused_until, state.strikes, state.troubles),
        )
