"""Rows of a catalog without what depends on the clock and on disturbances."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

TIMES = ("added_at", "changed_at", "due_at", "made_at", "next_at", "paused_until")
NUMBERS = ("number", "position", "tries", "strikes", "troubles")
UNFINISHED = ("expired", "released", "deferred", "crashed")
"""Outcomes of attempts that a disturbed run may have more of."""


def catalog_rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the rows of a catalog, with ids of videos for their numbers, in an order of their own.

    The order in which videos were found, and how often they were tried, is left out.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        videos = dict(connection.execute("SELECT number, video_id FROM videos"))
        listings = dict(connection.execute("SELECT number, key FROM listings"))
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema "
                  "WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]  # fmt: skip
        for table in tables:
            rows = []
            for row in connection.execute(f"SELECT * FROM {table}"):
                values = dict(row)
                if table == "attempts" and values["outcome"] in UNFINISHED:
                    continue
                if table == "settings" and values["key"] == "id":
                    continue
                if table == "counters" and (values["topic"] == "attempt" or not values["count"]):
                    continue
                rows.append(_timeless(table, values, videos, listings))
            for number, text in enumerate(sorted(rows)):
                yield f"{table} {number}", text


def _timeless(
    table: str, values: dict[str, Any], videos: Mapping[int, str], listings: Mapping[int, str]
) -> str:
    left_out = {*TIMES, *NUMBERS}
    if table == "attempts":
        left_out |= {"worker", "started_at", "ended_at"}
    kept = {key: value for key, value in values.items() if key not in left_out}
    if "video" in kept:
        kept["video"] = videos.get(kept["video"], "?")
    if "listing" in kept:
        kept["listing"] = listings.get(kept["listing"], "?")
    return json.dumps(kept, sort_keys=True)
