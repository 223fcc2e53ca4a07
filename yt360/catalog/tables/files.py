"""What is known of a video's content: its media files, the verdicts of the tests, its clips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from yt360.catalog.database import as_json
from yt360.catalog.records import Clip, MediaFile, Verdict
from yt360.catalog.rows import read_record
from yt360.errors import BadItem

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog


class Files:
    """Downloaded files of videos."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put(self, video_id: str, file: MediaFile) -> None:
        """Record a file; one of the same role and start replaces the former.

        Raises:
            BadItem: It is a section that begins at the same second as another one, since no key
                frame lies between them. None of the two may be forgotten.
        """
        done = self._catalog.connection.execute(
            "INSERT INTO files (video, role, start_s, end_s, path, bytes, format_id, facts) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (video, role, start_s) DO UPDATE SET "
            "end_s = excluded.end_s, bytes = excluded.bytes, format_id = excluded.format_id, "
            "path = excluded.path, facts = excluded.facts "
            "WHERE path = excluded.path OR excluded.end_s IS NULL",
            (
                self._catalog.number_of(video_id),
                file.role,
                file.start_s,
                file.end_s,
                file.path,
                file.bytes,
                file.format_id,
                as_json(file.facts),
            ),
        ).rowcount
        if not done:
            raise BadItem(
                "same-start",
                f"{file.path} begins at second {file.start_s:g} as another file of {video_id} "
                "does: its key frames are too far apart for sections; `--sections never` "
                "fetches it whole",
            )

    def of(self, video_id: str) -> list[MediaFile]:
        """Return the files of a video, by role and start."""
        rows = self._catalog.connection.execute(
            "SELECT role, path, bytes, start_s, end_s, format_id, facts FROM files "
            "WHERE video = ? ORDER BY role DESC, start_s",
            (self._catalog.number_of(video_id),),
        )
        return [read_record(MediaFile, row) for row in rows]

    def forget(self, video_id: str) -> None:
        """Drop the record of a video's files (the files stay where they are)."""
        self._catalog.connection.execute(
            "DELETE FROM files WHERE video = ?", (self._catalog.number_of(video_id),)
        )


class Verdicts:
    """Verdicts of the quality tests: one of each kind a video."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put(self, video_id: str, *verdicts: Verdict) -> None:
        """Store verdicts; one of the same kind replaces the former."""
        number = self._catalog.number_of(video_id)
        now = self._catalog.clock()
        with self._catalog.transaction() as connection:
            for verdict in verdicts:
                connection.execute(
                    "INSERT INTO verdicts (video, kind, verdict, numbers, made_at) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (video, kind) DO UPDATE SET "
                    "verdict = excluded.verdict, numbers = excluded.numbers, "
                    "made_at = excluded.made_at",
                    (number, verdict.kind, verdict.verdict, as_json(verdict.numbers), now),
                )

    def replace(self, video_id: str, *verdicts: Verdict) -> None:
        """Make `verdicts` the only ones of a video."""
        with self._catalog.transaction() as connection:
            connection.execute(
                "DELETE FROM verdicts WHERE video = ?", (self._catalog.number_of(video_id),)
            )
            self.put(video_id, *verdicts)

    def of(self, video_id: str) -> dict[str, Verdict]:
        """Return the verdicts of a video by kind."""
        rows = self._catalog.connection.execute(
            "SELECT kind, verdict, numbers FROM verdicts WHERE video = ? ORDER BY kind",
            (self._catalog.number_of(video_id),),
        )
        return {each.kind: each for each in (read_record(Verdict, row) for row in rows)}


class Clips:
    """Clips of videos; a clip begins at a whole second."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put(self, video_id: str, clips: Iterable[Clip]) -> None:
        """Add clips, or replace those that begin at the same second; the others stay."""
        number = self._catalog.number_of(video_id)
        with self._catalog.transaction() as connection:
            connection.executemany(
                "INSERT INTO clips (video, start_s, duration_s, origin, kept, reason, numbers) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (video, start_s) DO UPDATE SET "
                "duration_s = excluded.duration_s, origin = excluded.origin, "
                "kept = excluded.kept, reason = excluded.reason, numbers = excluded.numbers",
                (
                    (
                        number,
                        c.start_s,
                        c.duration_s,
                        c.origin,
                        c.kept,
                        c.reason,
                        as_json(c.numbers),
                    )
                    for c in clips
                ),
            )

    def replace(self, video_id: str, clips: Iterable[Clip]) -> None:
        """Make `clips` the only clips of a video."""
        with self._catalog.transaction() as connection:
            connection.execute(
                "DELETE FROM clips WHERE video = ?", (self._catalog.number_of(video_id),)
            )
            self.put(video_id, clips)

    def of(self, video_id: str) -> list[Clip]:
        """Return the clips of a video by start, dropped ones too."""
        rows = self._catalog.connection.execute(
            "SELECT start_s, duration_s, kept, reason, origin, numbers FROM clips "
            "WHERE video = ? ORDER BY start_s",
            (self._catalog.number_of(video_id),),
        )
        return [read_record(Clip, row) for row in rows]
