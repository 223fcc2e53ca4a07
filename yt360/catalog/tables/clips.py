"""The clips of videos."""

from __future__ import annotations

from yt360.catalog.records import Clip
from yt360.catalog.tables.video_records import VideoRecords


class Clips(VideoRecords[Clip]):
    """The ``clips`` table: a video has one clip at most that begins at a given second."""

    name = "clips"
    record = Clip
    key = ("start_s",)
    order = "start_s"

    def of(self, video_id: str) -> list[Clip]:
        """Return the clips of a video by start, dropped ones included."""
        return self._read(video_id)
