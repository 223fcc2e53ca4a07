"""The downloaded files of videos."""

from __future__ import annotations

from typing import Any

from yt360.catalog.records import MediaFile
from yt360.catalog.tables.video_records import VideoRecords
from yt360.errors import BadItem


class Files(VideoRecords[MediaFile]):
    """The ``files`` table: a video has one file of a role and a start."""

    name = "files"
    record = MediaFile
    key = ("role", "start_s")
    order = "role DESC, start_s"

    def of(self, video_id: str) -> list[MediaFile]:
        """Return the files of a video by role and start."""
        return self._read(video_id)

    def any(self) -> bool:
        """Return whether a file is recorded."""
        return self._db.execute("SELECT 1 FROM files LIMIT 1").fetchone() is not None

    def _insert(self, number: int, records: tuple[MediaFile, ...], **more: Any) -> None:
        """Add files.

        Raises:
            BadItem: ``"same-start"``: a file is a section that begins at the same second as
                another section, because no key frame is between them. Both must stay recorded.
        """
        for file in records:
            other = self._db.execute(
                "SELECT path FROM files WHERE (video, role, start_s) = (?, ?, ?) AND path != ?",
                (number, file.role, file.start_s, file.path),
            ).fetchone()
            if other is not None and file.end_s is not None:
                raise BadItem(
                    "same-start",
                    f"{file.path} starts at second {file.start_s:g} as {other['path']} does: its "
                    "key frames are too far apart for sections; `--sections never` fetches the "
                    "whole video",
                )
        super()._insert(number, records, **more)
