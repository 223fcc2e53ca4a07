"""Videos: adding and reading them, and changing their facts and states."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from yt360.catalog.database import Table, as_json
from yt360.catalog.ids import check_video_id, is_hashed_id
from yt360.catalog.records import STATES, State, Video
from yt360.catalog.rows import read_record, with_url
from yt360.errors import UserError, did_you_mean

_FACTS = (
    "title", "channel_id", "channel", "license", "upload_date", "duration_s", "projection",
    "spatial_audio",
)  # fmt: skip
_TEXT = str | int | float  # SQLite converts a number in a text column
_FACT_TYPES = {"duration_s": int | float}
_STORED = "iif(json_valid(facts), facts, '{}')"
DROPPED = "dropped by hand"


class Videos(Table):
    """The ``videos`` table."""

    def add(self, video_id: str, url: str | None = None, **facts: Any) -> bool:
        """Add a video in state ``found`` unless it is in the catalog; return whether it is new.

        Args:
            video_id: 11 characters of ``A-Z a-z 0-9 _ -``.
            url: Address of a video that is not on YouTube.
            facts: As for `update_facts`. Known facts of a video are not overwritten.

        Raises:
            UserError: ``"missing"``: It is new, its id is that of another site, and it has no
                address.
        """
        check_video_id(video_id)
        now = self._db.clock()
        with self._db.transaction():
            new = self._db.execute(
                "INSERT INTO videos (video_id, url, added_at, changed_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (video_id) DO NOTHING",
                (video_id, url, now, now),
            ).rowcount
            if new and url is None and is_hashed_id(video_id):
                raise UserError(
                    f"{video_id} is the id of a video of another site, whose address the catalog "
                    "does not have; add the address first, by `yt360 import --urls`",
                    "missing",
                    video_id,
                )
            if facts:
                self.update_facts(video_id, overwrite=False, **facts)
        return bool(new)

    def has(self, video_id: str) -> bool:
        """Return whether a video is in the catalog."""
        sql = "SELECT 1 FROM videos WHERE video_id = ?"
        return self._db.execute(sql, (video_id,)).fetchone() is not None

    def update_facts(self, video_id: str, overwrite: bool = True, **facts: Any) -> None:
        """Store source facts: the named columns of `Video`; others are stored in ``facts``.

        Args:
            video_id: A video of the catalog.
            overwrite: False to store only facts that are unknown so far.
            facts: Values. None and values that do not fit, such as a number that is not finite or a
                list in place of a text, change nothing.
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
        self._db.execute(
            f"UPDATE videos SET {', '.join(assignments)} WHERE video_id = ?",
            (*(known[column] for column in columns), as_json(extra), video_id),
        )

    def state_media(self, video_id: str, audio_layout: str | None, projection: str | None) -> None:
        """Store the audio layout and the projection that the user states; None to detect them.

        Args:
            video_id: A video of the catalog.
            audio_layout: One of `yt360.media.names.AUDIO_LAYOUTS`.
            projection: One of `yt360.media.names.PROJECTIONS` other than ``"auto"``.
        """
        self._db.execute(
            "UPDATE videos SET stated_sound_layout = ?, stated_projection = ? WHERE video_id = ?",
            (audio_layout, projection, video_id),
        )

    def get(self, video_id: str) -> Video:
        """Return a video.

        Raises:
            UserError: The video is not in the catalog.
        """
        row = self._db.execute("SELECT * FROM videos WHERE video_id = ?", (video_id,)).fetchone()
        if row is None:
            raise UserError(f"{video_id!r} is not in {self._db.path}", "missing", video_id)
        return read_record(Video, with_url(row))

    def select(self, state: State | None = None) -> Iterator[Video]:
        """Yield videos in the order of arrival, optionally those of one state."""
        check_state(state)
        rows = self._db.execute(
            "SELECT * FROM videos WHERE state = COALESCE(?, state) ORDER BY number", (state,)
        )
        yield from (read_record(Video, with_url(row)) for row in rows)

    def reject(self, video_id: str, reason: str, detail: str) -> bool:
        """Reject a video that is in state ``found`` and not claimed; return whether it was."""
        return bool(
            self._db.execute(
                "UPDATE videos SET state = 'rejected', reason = ?, detail = ?, changed_at = ? "
                "WHERE video_id = ? AND state = 'found' AND claim IS NULL",
                (reason, detail, self._db.clock(), video_id),
            ).rowcount
        )

    def settle(self, video_id: str, state: State, reason: str | None, detail: str | None) -> None:
        """Change the state of a video that is not claimed."""
        self._db.execute(
            "UPDATE videos SET state = ?, reason = ?, detail = ?, changed_at = ? "
            "WHERE video_id = ? AND claim IS NULL",
            (state, reason, detail, self._db.clock(), video_id),
        )

    def drop(self, video_id: str, reason: str) -> None:
        """Reject a video permanently, in any state, for example because its owner withdrew it.

        `requeue` does not bring it back.

        Raises:
            UserError: The video is not in the catalog, or a worker holds a claim on it.
        """
        number, now = self._db.number_of(video_id), self._db.clock()
        done = self._db.execute(
            "UPDATE videos SET state = 'rejected', reason = ?, detail = ?, claim = NULL, "
            "due_at = 0, changed_at = ? WHERE number = ? AND (claim IS NULL OR due_at <= ?)",
            (reason, DROPPED, now, number, now),
        ).rowcount
        if not done:
            message = f"a worker is processing {video_id!r}; try again later"
            raise UserError(message, "in-use", video_id)

    def requeue(self, video_ids: Iterable[str], state: State = "found") -> int:
        """Put videos back into a state, due at once with 0 tries; return their number.

        Videos with a valid claim and dropped videos are left alone.
        """
        check_state(state)
        now = self._db.clock()
        with self._db.transaction():
            return sum(
                self._db.execute(
                    "UPDATE videos SET state = ?, reason = NULL, detail = NULL, tries = 0, "
                    "due_at = 0, claim = NULL, changed_at = ? "
                    "WHERE video_id = ? AND (claim IS NULL OR due_at <= ?) AND detail IS NOT ?",
                    (state, now, video_id, now, DROPPED),
                ).rowcount
                for video_id in list(video_ids)
            )


def check_state(state: str | None) -> None:
    """Raise UserError unless `state` is None or one of `STATES`."""
    if state is not None and state not in STATES:
        raise UserError(f"no state {state!r}{did_you_mean(state, STATES)}", "unknown-name", state)
