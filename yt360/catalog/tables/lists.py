"""The lists that were imported, and the videos of each."""

from __future__ import annotations

from collections.abc import Iterable

from yt360.catalog.database import Table
from yt360.errors import UserError

MAX_NAME = 100


class Lists(Table):
    """The ``lists`` and ``list_videos`` tables. A video may be in several lists."""

    def add(self, name: str, video_ids: Iterable[str] = ()) -> int:
        """Add videos of the catalog to a list; return how many were not in it.

        Args:
            name: Name of the list, which is made when it is missing.
            video_ids: Videos of the catalog; others are left out.

        Raises:
            UserError: The name is empty or longer than 100 characters.
        """
        if not 0 < len(name) <= MAX_NAME:
            message = f"the name of a list has 1 to {MAX_NAME} characters, not {len(name)}"
            raise UserError(message, "out-of-range", "name")
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO lists (name, added_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, self._db.clock()),
            )
            row = self._db.execute("SELECT number FROM lists WHERE name = ?", (name,)).fetchone()
            added = self._db.connection.executemany(
                "INSERT INTO list_videos (video, list) "
                "SELECT number, ? FROM videos WHERE video_id = ? ON CONFLICT DO NOTHING",
                ((row["number"], video_id) for video_id in video_ids),
            ).rowcount
        return max(0, added)  # -1 for no videos

    def sizes(self) -> dict[str, int]:
        """Return the number of videos of each list, in the order in which they were imported."""
        rows = self._db.execute(
            "SELECT name, count(video) AS videos FROM lists "
            "LEFT JOIN list_videos ON list = number GROUP BY number ORDER BY number"
        )
        return {str(row["name"]): int(row["videos"]) for row in rows}
