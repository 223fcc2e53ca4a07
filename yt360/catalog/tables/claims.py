"""Handing out work: a claim is a lease on one video, and a crashed worker's lease runs out.

``videos.due_at`` is the earliest time at which a video may be handed out. Taking one sets it to
the end of the lease, a back-off sets it to the end of the pause, so both cases are the same
indexed question: the first row of a state with ``due_at`` in the past.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from yt360.catalog.records import JOB_STATES, Attempt, Claim, Job, State
from yt360.catalog.rows import read_record, with_url
from yt360.errors import BadItem

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog


class ClaimLost(BadItem):
    """The lease ran out and the video belongs to another worker; drop the result."""

    def __init__(self, video_id: str) -> None:
        super().__init__("claim-lost", f"the lease on {video_id} ran out; another worker has it")
        self.video_id = video_id

    def __reduce__(self) -> tuple[type[ClaimLost], tuple[str]]:  # type: ignore[override]
        return type(self), (self.video_id,)


class Claims:
    """Leases on videos, and the record of every attempt."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def take(self, job: Job, worker: str, lease_s: float = 300.0) -> Claim | None:
        """Claim the next due video for a job and start an attempt; None when nothing is due.

        A video whose lease ran out is handed out again; the attempt of its former worker is
        closed with the outcome ``expired``. For an inspection that counts as a try: what a worker
        dies of is likely to be in the video.

        Args:
            job: ``"describe"``, ``"download"`` or ``"inspect"``.
            worker: Who works, for people to read, such as ``"host:pid:thread"``.
            lease_s: How long the claim holds without `renew`.
        """
        now = self._catalog.clock()
        token = uuid.uuid4().hex
        with self._catalog.transaction() as connection:
            for state in JOB_STATES[job]:
                row = connection.execute(
                    "SELECT number, video_id, url, state, claim, tries FROM videos "
                    "WHERE state = ? AND due_at <= ? ORDER BY due_at, number LIMIT 1",
                    (state, now),
                ).fetchone()
                if row is not None:
                    break
            else:
                return None
            expired = row["claim"] is not None
            claim = read_record(
                Claim,
                with_url(row),
                job=job,
                token=token,
                attempt=0,
                expires_at=now + lease_s,
            )
            claim = replace(claim, tries=claim.tries + (expired and job == "inspect"))
            if expired:
                connection.execute(
                    "UPDATE attempts SET ended_at = ?, outcome = 'expired' "
                    "WHERE video = ? AND ended_at IS NULL",
                    (now, row["number"]),
                )
            connection.execute(
                "UPDATE videos SET claim = ?, due_at = ?, tries = ? WHERE number = ?",
                (token, claim.expires_at, claim.tries, row["number"]),
            )
            attempt = connection.execute(
                "INSERT INTO attempts (video, job, worker, started_at) VALUES (?, ?, ?, ?)",
                (row["number"], job, worker, now),
            ).lastrowid
        return replace(claim, attempt=int(attempt or 0))

    def held_by(self, worker: str) -> Claim | None:
        """Return the claim of a worker that can no longer show it itself: its process died.

        Args:
            worker: As given to `take`.
        """
        row = self._catalog.connection.execute(
            "SELECT video_id, url, job, claim AS token, attempts.number AS attempt, "
            "due_at AS expires_at, tries, state "
            "FROM videos JOIN attempts ON attempts.video = videos.number "
            "WHERE claim IS NOT NULL AND ended_at IS NULL AND worker = ?",
            (worker,),
        ).fetchone()
        if row is None:
            return None
        return read_record(Claim, with_url(row))

    def renew(self, claim: Claim, lease_s: float = 300.0) -> None:
        """Hold a claim for `lease_s` from now.

        Raises:
            ClaimLost: It ran out and somebody else took the video.
        """
        done = self._catalog.connection.execute(
            "UPDATE videos SET due_at = ? WHERE video_id = ? AND claim = ?",
            (self._catalog.clock() + lease_s, claim.video_id, claim.token),
        ).rowcount
        if not done:
            raise ClaimLost(claim.video_id)

    def finish(
        self, claim: Claim, state: State, reason: str | None = None, detail: str | None = None
    ) -> None:
        """End the work with a new state of the video.

        Put it into one `Catalog.transaction` with the facts, files, verdicts and clips that the
        work gave: then either all of it is stored or nothing.

        Raises:
            ClaimLost: The claim is no longer valid; nothing is stored.
        """
        self._end(claim, state, 0.0, 0, state, reason, detail)

    def defer(
        self, claim: Claim, delay_s: float, reason: str, detail: str, count_try: bool = True
    ) -> None:
        """Give the video back to the queue, to be handed out again after `delay_s`."""
        due = self._catalog.clock() + delay_s
        tries = claim.tries + count_try
        self._end(claim, claim.state, due, tries, "deferred", reason, detail)

    def release(self, claim: Claim, reason: str = "interrupted") -> None:
        """Give the video back at once; the try does not count (Ctrl-C, a pause of the run)."""
        self._end(claim, claim.state, 0.0, claim.tries, "released", reason, None)

    def next_due_s(self, job: Job) -> float | None:
        """Return the seconds until a video of a job is due (0 for now), or None without any."""
        due = min(
            (
                row["due_at"]
                for state in JOB_STATES[job]
                if (
                    row := self._catalog.connection.execute(
                        "SELECT due_at FROM videos WHERE state = ? ORDER BY due_at LIMIT 1",
                        (state,),
                    ).fetchone()
                )
            ),
            default=None,
        )
        return None if due is None else max(0.0, due - self._catalog.clock())

    def waiting(self, job: Job) -> int:
        """Return how many videos are in the states that a job takes them from, due or not."""
        states = JOB_STATES[job]
        marks = ", ".join("?" * len(states))
        row = self._catalog.connection.execute(
            f"SELECT sum(count) FROM counters WHERE topic = 'state' AND key IN ({marks})", states
        ).fetchone()
        return int(row[0] or 0)

    def history(self, video_id: str) -> list[Attempt]:
        """Return every attempt on a video, oldest first."""
        rows = self._catalog.connection.execute(
            "SELECT job, worker, started_at, ended_at, outcome, reason, detail FROM attempts "
            "WHERE video = ? ORDER BY number",
            (self._catalog.number_of(video_id),),
        )
        return [read_record(Attempt, row) for row in rows]

    def _end(
        self,
        claim: Claim,
        state: State,
        due_at: float,
        tries: int,
        outcome: str,
        reason: str | None,
        detail: str | None,
    ) -> None:
        now = self._catalog.clock()
        with self._catalog.transaction() as connection:
            done = connection.execute(
                "UPDATE videos SET state = ?, reason = ?, detail = ?, due_at = ?, tries = ?, "
                "claim = NULL, changed_at = ? WHERE video_id = ? AND claim = ?",
                (state, reason, detail, due_at, tries, now, claim.video_id, claim.token),
            ).rowcount
            if not done:
                raise ClaimLost(claim.video_id)
            connection.execute(
                "UPDATE attempts SET ended_at = ?, outcome = ?, reason = ?, detail = ? "
                "WHERE number = ?",
                (now, outcome, reason, detail, claim.attempt),
            )
