"""The verdicts of the quality checks on videos."""

from __future__ import annotations

from typing import Any

from yt360.catalog.records import Verdict
from yt360.catalog.tables.video_records import VideoRecords


class Verdicts(VideoRecords[Verdict]):
    """The ``verdicts`` table: a video has one verdict of each kind."""

    name = "verdicts"
    record = Verdict
    key = ("kind",)
    order = "kind"

    def of(self, video_id: str) -> dict[str, Verdict]:
        """Return the verdicts of a video by kind."""
        return {verdict.kind: verdict for verdict in self._read(video_id)}

    def _insert(self, number: int, records: tuple[Verdict, ...], **more: Any) -> None:
        super()._insert(number, records, made_at=self._db.clock(), **more)
