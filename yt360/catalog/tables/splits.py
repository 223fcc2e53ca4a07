"""The train and test splits. The split of a video never changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from yt360.catalog.database import Table
from yt360.catalog.rows import VideoId, read_value
from yt360.duplicates.groups import Groups, merge
from yt360.errors import UserError
from yt360.splits import PAPER_TEST_FRACTION, split_of


class Splits(Table):
    """The ``splits`` table, in the order in which splits were assigned."""

    def put(self, video_ids: Iterable[str], split: str, origin: str = "released") -> int:
        """Assign a split to videos; return the number of videos that had none.

        Raises:
            UserError: A video is in another split.
        """
        added = 0
        with self._db.transaction():
            for video_id in video_ids:
                added += self._db.execute(
                    "INSERT INTO splits (video, split, origin) VALUES (?, ?, ?) "
                    "ON CONFLICT (video) DO NOTHING",
                    (self._db.number_of(video_id), split, origin),
                ).rowcount
                present = self.of(video_id)
                if present != split:
                    raise UserError(
                        f"{video_id!r} is in {present!r} already and cannot be in {split!r} too",
                        "conflict",
                        video_id,
                    )
        return added

    def of(self, video_id: str) -> str | None:
        """Return the split of a video, or None."""
        row = self._db.execute(
            "SELECT split FROM splits WHERE video = ?", (self._db.number_of(video_id),)
        ).fetchone()
        return None if row is None else str(row["split"])

    def members(self, split: str, with_rejected: bool = True) -> list[str]:
        """Return the video ids of a split in the order of assignment.

        Args:
            split: Name of the split.
            with_rejected: Whether to include rejected videos, which keep their split.
        """
        rows = self._db.execute(
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
        duplicates: Groups = (),
    ) -> int:
        """Assign a split to every accepted video without one; return their number.

        By channel, a video joins the split of its channel's videos (test when they are in both, so
        that test channels stay unseen in training). Otherwise the hash of the channel decides.

        Args:
            test_fraction: Expected fraction of test channels or videos, 0 to 1.
            by: Grouping that must not cross the split.
            salt: Changes the hash.
            duplicates: Groups of videos that hold the same footage, which share a split.
        """
        if not 0 <= test_fraction <= 1:
            message = f"a test fraction of {test_fraction} is not in [0, 1]"
            raise UserError(message, "out-of-range", "test_fraction")
        with self._db.transaction():
            videos = self._db.execute(
                "SELECT number, video_id, channel_id, state, split FROM videos "
                "LEFT JOIN splits ON splits.video = videos.number ORDER BY number"
            ).fetchall()
            channels = {row["video_id"]: row["channel_id"] for row in videos if row["channel_id"]}
            groups = merge(channels if by == "channel" else {}, duplicates)
            taken: dict[str, str] = {}
            for row in videos:
                if row["split"] is not None:
                    group = groups.get(row["video_id"], row["video_id"])
                    taken[group] = min(taken.get(group, row["split"]), row["split"])
            added = 0
            for row in videos:
                if row["state"] != "accepted" or row["split"] is not None:
                    continue
                group = groups.get(row["video_id"], row["video_id"])
                split = taken.get(group) or split_of(group, test_fraction, salt)
                self._db.execute(
                    "INSERT INTO splits (video, split, origin) VALUES (?, ?, ?)",
                    (row["number"], split, f"by-{by}"),
                )
                added += 1
        return added
