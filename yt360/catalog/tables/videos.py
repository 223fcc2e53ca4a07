"""Videos of a catalog: adding, reading, and changing facts and states."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from yt360.catalog.database import as_json
from yt360.catalog.ids import check_video_id
from yt360.catalog.records import STATES, State, Video
from yt360.catalog.rows import read_record, with_url
from yt360.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog

_FACTS = (
    "title", "channel_id", "channel", "license", "upload_date", "duration_s", "projection",
    "spatial_audio",
)  # fmt: skip
_TEXT = str | int | float  # SQLite makes a text of a number in these columns
_FACT_TYPES = {"duration_s": int | float}
_STORED = "iif(json_valid(facts), facts, '{}')"
DROPPED = "dropped by hand"


class Videos:
    """The ``videos`` table."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add(self, video_id: str, url: str | None = None, **facts: Any) -> bool:
        """Add a video in state ``found`` unless it is known; return whether it is new.

        Args:
            video_id: 11 characters of the alphabet.
            url: Where it is when it is not on YouTube.
            facts: As for `update_facts`. Facts of a known video are filled in, never overwritten.
        """
        check_video_id(video_id)
        now = self._catalog.clock()
        with self._catalog.transaction() as connection:
            new = connection.execute(
                "INSERT INTO videos (video_id, url, added_at, changed_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (video_id) DO NOTHING",
                (video_id, url, now, now),
            ).rowcount
            if facts:
                self.update_facts(video_id, overwrite=False, **facts)
        return bool(new)

    def update_facts(self, video_id: str, overwrite: bool = True, **facts: Any) -> None:
        """Store source facts: the named columns of `Video`; others go into its ``facts``.

        Args:
            video_id: A known video.
            overwrite: False to fill in only what is still unknown.
            facts: Values; None means unknown and changes nothing, and so does what a page may hold
                but a catalog cannot: a number that is not finite, a list where a text belongs.
        """
        finite = json.loads(json.dumps(facts), parse_constant=lambda _: None)
        known = {key: value for key, value in finite.items() if value is not None}
        columns = [key for key in _FACTS if isinstance(known.get(key), _FACT_TYPES.get(key, _TEXT))]
        extra = {key: value for key, value in known.items() if key not in _FACTS}
        value = "?" if overwrite else "ifnull({column}, ?)"
        assignments = [f"{column} = {value.format(column=column)}" for column in columns]
        assignments.append(
            f"facts = json_patch({_STORED}, ?)"
            if overwrite
            else f"facts = json_patch(?, {_STORED})"
        )
        self._catalog.connection.execute(
            f"UPDATE videos SET {', '.join(assignments)} WHERE video_id = ?",
            (*(known[column] for column in columns), as_json(extra), video_id),
        )

    def state_media(self, video_id: str, sound_layout: str | None, projection: str | None) -> None:
        """Store what a person says that sound and picture of a video are; None to find out.

        Args:
            video_id: A known video.
            sound_layout: A key of `yt360.media.layout.names.STATED_LAYOUTS`.
            projection: A key of `yt360.media.projection.PROJECTIONS` other than ``"auto"``.
        """
        self._catalog.connection.execute(
            "UPDATE videos SET stated_sound_layout = ?, stated_projection = ? WHERE video_id = ?",
            (sound_layout, projection, video_id),
        )

    def get(self, video_id: str) -> Video:
        """Return a video.

        Raises:
            UserError: The catalog does not know it.
        """
        row = self._catalog.connection.execute(
            "SELECT * FROM videos WHERE video_id = ?", (video_id,)
        ).fetchone()
        if row is None:
            raise UserError(f"{video_id!r} is not in {self._catalog.path}")
        return read_record(Video, with_url(row))

    def __contains__(self, video_id: str) -> bool:
        return (
            self._catalog.connection.execute(
                "SELECT 1 FROM videos WHERE video_id = ?", (video_id,)
            ).fetchone()
            is not None
        )

    def select(self, state: State | None = None, reason: str | None = None) -> Iterator[Video]:
        """Yield videos in order of arrival, optionally of one state and reason."""
        check_state(state)
        rows = self._catalog.connection.execute(
            "SELECT * FROM videos WHERE state = COALESCE(?, state) "
            "AND (? IS NULL OR reason = ?) ORDER BY number",
            (state, reason, reason),
        )
        yield from (read_record(Video, with_url(row)) for row in rows)

    def reject(self, video_id: str, reason: str, detail: str) -> bool:
        """Reject a video that nobody has worked on yet; return whether it was one."""
        return bool(
            self._catalog.connection.execute(
                "UPDATE videos SET state = 'rejected', reason = ?, detail = ?, changed_at = ? "
                "WHERE video_id = ? AND state = 'found' AND claim IS NULL",
                (reason, detail, self._catalog.clock(), video_id),
            ).rowcount
        )

    def drop(self, video_id: str, reason: str) -> None:
        """Reject a video for good, whatever its state: its owner withdrew it, say.

        `requeue` does not bring it back.

        Raises:
            UserError: The catalog does not know it, or a worker has it at the moment.
        """
        number, now = self._catalog.number_of(video_id), self._catalog.clock()
        done = self._catalog.connection.execute(
            "UPDATE videos SET state = 'rejected', reason = ?, detail = ?, claim = NULL, "
            "due_at = 0, changed_at = ? WHERE number = ? AND (claim IS NULL OR due_at <= ?)",
            (reason, DROPPED, now, number, now),
        ).rowcount
        if not done:
            raise UserError(f"a worker has {video_id!r} at the moment; try again later")

    def requeue(self, video_ids: Iterable[str], state: State = "found") -> int:
        """Put videos back into a state, due at once with a clean count of tries; return how many.

        Videos on which a worker holds a live claim are left alone, and those that were dropped.
        """
        check_state(state)
        now = self._catalog.clock()
        with self._catalog.transaction() as connection:
            return sum(
                connection.execute(
                    "UPDATE videos SET state = ?, reason = NULL, detail = NULL, tries = 0, "
                    "due_at = 0, claim = NULL, changed_at = ? "
                    "WHERE video_id = ? AND (claim IS NULL OR due_at <= ?) AND detail IS NOT ?",
                    (state, now, video_id, now, DROPPED),
                ).rowcount
                for video_id in list(video_ids)
            )


def check_state(state: str | None) -> None:
    """Raise UserError unless `state` is None or one of the seven."""
    if state is not None and state not in STATES:
        raise UserError(f"no state {state!r}{did_you_mean(state, STATES)}")
