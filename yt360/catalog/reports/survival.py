"""Survival: how many videos of each imported list can still be had, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.rows import read_record
from yt360.catalog.tables.videos import DROPPED

_QUERY = """
SELECT list, outcome, reason, count(*) AS videos, min(checked_at) AS first_at,
    max(checked_at) AS last_at
FROM (
    SELECT list_videos.list AS number, lists.name AS list,
        CASE
            WHEN state = 'rejected' AND detail IS ? THEN 'dropped'
            WHEN state IN ('wanted', 'downloaded', 'accepted', 'rejected') THEN 'alive'
            WHEN state = 'unavailable' THEN 'gone'
            WHEN state = 'failed' AND 'inspect' IS (SELECT job FROM attempts
                WHERE video = videos.number ORDER BY number DESC LIMIT 1) THEN 'alive'
            WHEN state = 'failed' THEN 'failed'
            ELSE 'unchecked'
        END AS outcome,
        CASE WHEN state = 'unavailable' THEN ifnull(reason, 'unknown') END AS reason,
        ifnull(
            (SELECT max(ended_at) FROM attempts
             WHERE video = videos.number AND job IN ('describe', 'download')
                AND outcome IN ('wanted', 'downloaded', 'rejected', 'unavailable', 'failed')),
            changed_at) AS checked_at
    FROM videos
    LEFT JOIN list_videos ON list_videos.video = videos.number
    LEFT JOIN lists ON lists.number = list_videos.list)
GROUP BY number, outcome, reason
ORDER BY number IS NULL, number, videos DESC, reason
"""
NO_LIST = "(no list)"


@dataclass
class Survival:
    """The videos of one list; the counts add up to all of them.

    Attributes:
        name: Name of the list; None for videos in no list.
        alive: Videos whose page or media could be read, whether they are used or rejected.
        gone: Videos that are removed or refused to us, by reason.
        failed: Videos whose attempts all failed, which tells nothing.
        unchecked: Videos whose page was not requested yet.
        dropped: Videos that were dropped by hand.
        first_at: Time of the first check of a video that is alive or gone, in seconds since 1970.
        last_at: Time of the last one.
    """

    name: str | None
    alive: int = 0
    gone: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    unchecked: int = 0
    dropped: int = 0
    first_at: float | None = None
    last_at: float | None = None

    @property
    def videos(self) -> int:
        """Number of videos."""
        return self.alive + sum(self.gone.values()) + self.failed + self.unchecked + self.dropped

    @property
    def share_alive(self) -> float | None:
        """Fraction of the videos alive or gone that are alive, in [0, 1]; None without any."""
        known = self.alive + sum(self.gone.values())
        return self.alive / known if known else None

    def to_json(self) -> dict[str, Any]:
        """Return the counts for JSON; times are dates in UTC."""
        return {
            "list": self.name,
            "videos": self.videos,
            "alive": self.alive,
            "gone": self.gone,
            "failed": self.failed,
            "unchecked": self.unchecked,
            "dropped": self.dropped,
            "share_alive": self.share_alive,
            "first_check": _date(self.first_at),
            "last_check": _date(self.last_at),
        }


@dataclass(frozen=True)
class _Group:
    list: str | None
    outcome: str
    reason: str | None
    videos: int
    first_at: float
    last_at: float


def survival_of(catalog: Catalog) -> list[Survival]:
    """Return the survival of each list in the order of import, and of the videos in no list.

    A check is an attempt to read a video's page or its media that had a result. A video without
    one, which a search result alone decided on, counts with the time of that decision.
    """
    found: dict[str | None, Survival] = {}
    for row in catalog.execute(_QUERY, (DROPPED,)):
        group = read_record(_Group, row)
        each = found.setdefault(group.list, Survival(group.list))
        if group.outcome == "gone":
            each.gone[group.reason or "unknown"] = group.videos
        else:
            setattr(each, group.outcome, group.videos)
        if group.outcome in ("alive", "gone"):
            times = [each.first_at, each.last_at, group.first_at, group.last_at]
            known = [time for time in times if time is not None]
            each.first_at, each.last_at = min(known), max(known)
    return [*found.values()]


def survival_lines(lists: Sequence[Survival]) -> Iterator[str]:
    """Yield one block of lines for each list."""
    for each in lists:
        share = "" if each.share_alive is None else f" ({100 * each.share_alive:.1f} % of checked)"
        yield f"{each.name or NO_LIST}: {each.videos} videos{_checked(each)}"
        yield f"{each.alive:8d}  alive{share}"
        yield f"{sum(each.gone.values()):8d}  gone"
        for reason, count in sorted(each.gone.items(), key=lambda item: (-item[1], item[0])):
            yield f"{count:8d}    {reason}"
        for count, what in (
            (each.failed, "failed: every attempt, which tells nothing"),
            (each.unchecked, "not checked yet"),
            (each.dropped, "dropped by hand"),
        ):
            if count:
                yield f"{count:8d}  {what}"


def _checked(each: Survival) -> str:
    first, last = _date(each.first_at), _date(each.last_at)
    if first is None:
        return ", none checked yet"
    return f", checked {first}" if first == last else f", checked {first} to {last}"


def _date(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).date().isoformat()
