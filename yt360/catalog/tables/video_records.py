"""Tables that hold several records of each video."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeVar

from yt360.catalog.database import Table, as_json, upsert
from yt360.catalog.rows import read_record

R = TypeVar("R")


class VideoRecords(Table, Generic[R]):
    """A table of records of one dataclass, whose fields are columns.

    Attributes:
        name: Name of the table.
        record: The dataclass.
        key: Columns that identify a record of a video.
        order: The ORDER BY of reading.
    """

    name: ClassVar[str]
    record: type[R]
    key: ClassVar[tuple[str, ...]]
    order: ClassVar[str]

    def put(self, video_id: str, *records: R) -> None:
        """Add records to a video; a record with the same key is replaced."""
        with self._db.transaction():
            self._insert(self._db.number_of(video_id), records)

    def replace(self, video_id: str, *records: R) -> None:
        """Make `records` the only records of a video."""
        with self._db.transaction():
            self.clear(video_id)
            self.put(video_id, *records)

    def clear(self, video_id: str) -> None:
        """Delete the records of a video."""
        number = self._db.number_of(video_id)
        self._db.execute(f"DELETE FROM {self.name} WHERE video = ?", (number,))

    def _insert(self, number: int, records: tuple[R, ...], **more: Any) -> None:
        columns = [field.name for field in fields(self.record)]  # type: ignore[arg-type]
        sql = upsert(self.name, ["video", *self.key], ["video", *columns, *more])
        rows = ([_column(getattr(record, name)) for name in columns] for record in records)
        self._db.connection.executemany(sql, ([number, *row, *more.values()] for row in rows))

    def _read(self, video_id: str) -> list[R]:
        columns = ", ".join(field.name for field in fields(self.record))  # type: ignore[arg-type]
        rows = self._db.execute(
            f"SELECT {columns} FROM {self.name} WHERE video = ? ORDER BY {self.order}",
            (self._db.number_of(video_id),),
        )
        return [read_record(self.record, row) for row in rows]


def _column(value: Any) -> Any:
    return as_json(value) if isinstance(value, dict) else value
