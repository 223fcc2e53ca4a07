"""Train and test: a video belongs to one of them for ever, and so does its channel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from yt360.catalog.rows import VideoId, read_value
from yt360.errors import UserError
from yt360.splits import PAPER_TEST_FRACTION, split_of

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog


class Splits:
    """The split of each video, in the order in which it was given."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put(self, video_ids: Iterable[str], split: str, origin: str = "released") -> int:
        """Give known videos a split; return how many are new to it.

        Raises:
            UserError: A video is in another split already.
        """
        added = 0
        with self._catalog.transaction() as connection:
            for video_id in video_ids:
                number = self._catalog.number_of(video_id)
                added += connection.execute(
                    "INSERT INTO splits (video, split, origin) VALUES (?, ?, ?) "
                    "ON CONFLICT (video) DO NOTHING",
                    (number, split, origin),
                ).rowcount
                present = self.of(video_id)
                if present != split:
                    raise UserError(
                        f"{video_id!r} is in {present!r} already and cannot be in {split!r} too"
                    )
        return added

    def of(self, video_id: str) -> str | None:
        """Return the split of a video, or None."""
        row = self._catalog.connection.execute(
            "SELECT split FROM splits WHERE video = ?", (self._catalog.number_of(video_id),)
        ).fetchone()
        return None if row is None else str(row["split"])

    def members(self, split: str, with_rejected: bool = True) -> list[str]:
        """Return the video ids of a split in the order in which they were given.

        Args:
            split: Name of the split.
            with_rejected: Whether rejected videos are listed too; they keep their split.
        """
        rows = self._catalog.connection.execute(
            "SELECT video_id FROM splits JOIN videos ON videos.number = splits.video "
            "WHERE split = ? AND (? OR state != 'rejected') ORDER BY position",
            (split, with_rejected),
        )
        return [read_value(VideoId, row["video_id"], "video_id") for row in rows]

    def assign(
        self,
        test_fraction: float = PAPER_TEST_FRACTION,
        by: Literal["channel", "video"] = "channel",
        salt: str = "yt360",
    ) -> int:
        """Give every accepted video without a split one; return how many.

        Splits that exist are never changed. By channel, a video follows the videos of its channel
        that have one already (test when they are in both, so that test channels stay unseen);
        otherwise the hash of the channel decides.
        """
        if not 0 <= test_fraction <= 1:
            raise UserError(f"a test fraction of {test_fraction} is not in [0, 1]")
        with self._catalog.transaction() as connection:
            taken: dict[str, str] = {}
            if by == "channel":
                taken = dict(
                    connection.execute(
                        "SELECT channel_id, min(split) FROM splits "
                        "JOIN videos ON videos.number = splits.video "
                        "WHERE channel_id IS NOT NULL GROUP BY channel_id"
                    ).fetchall()
                )
            rows = connection.execute(
                "SELECT number, video_id, channel_id FROM videos WHERE state = 'accepted' "
                "AND number NOT IN (SELECT video FROM splits) ORDER BY number"
            ).fetchall()
            for row in rows:
                key = row["channel_id"] if by == "channel" else None
                split = taken.get(key or "") or split_of(
                    key or row["video_id"], test_fraction, salt
                )
                connection.execute(
                    "INSERT INTO splits (video, split, origin) VALUES (?, ?, ?)",
                    (row["number"], split, f"by-{by}"),
                )
        return len(rows)
