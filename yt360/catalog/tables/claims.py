"""Claims: leases on videos. The lease of a crashed worker expires.

``videos.due_at`` is the earliest time at which a video may be claimed. A claim sets it to the end
of the lease and a retry delay sets it to the end of the delay, so one indexed query finds the next
video: the first row of a state whose ``due_at`` has passed.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from yt360.catalog.database import Table
from yt360.catalog.records import JOB_STATES, Attempt, Claim, Job, State
from yt360.catalog.rows import read_record, with_url
from yt360.errors import BadItem


class ClaimLost(BadItem):
    """The lease expired and another worker has the video; discard the result."""

    def __init__(self, video_id: str) -> None:
        super().__init__("claim-lost", f"the lease on {video_id} expired; another worker has it")
        self.video_id = video_id

    def __reduce__(self) -> tuple[type[ClaimLost], tuple[str]]:  # type: ignore[override]
        return type(self), (self.video_id,)


class Claims(Table):
    """Leases on videos, and the ``attempts`` table."""

    def take(self, job: Job, worker: str, lease_s: float = 300.0) -> Claim | None:
        """Claim the next due video for a job and start an attempt; None when no video is due.

        A video whose lease expired is claimed again, and the former worker's attempt ends with the
        outcome ``expired``. For an inspection it counts as a try, because the video may have
        crashed the worker.

        Args:
            job: ``"describe"``, ``"download"`` or ``"inspect"``.
            worker: Name of the worker, such as ``"host:pid:thread"``.
            lease_s: Seconds that the claim is valid without `renew`.
        """
        now = self._db.clock()
        token = uuid.uuid4().hex
        with self._db.transaction():
            for state in JOB_STATES[job]:
                row = self._db.execute(
                    "SELECT number, video_id, url, state, claim, tries FROM videos "
                    "WHERE state = ? AND due_at <= ? ORDER BY due_at, number LIMIT 1",
                    (state, now),
                ).fetchone()
                if row is not None:
                    break
            else:
                return None
            more = {"job": job, "token": token, "attempt": 0, "expires_at": now + lease_s}
            claim = read_record(Claim, with_url(row), **more)
            if row["claim"] is not None:
                claim = replace(claim, tries=claim.tries + (job == "inspect"))
                self._db.execute(
                    "UPDATE attempts SET ended_at = ?, outcome = 'expired' "
                    "WHERE video = ? AND ended_at IS NULL",
                    (now, row["number"]),
                )
            self._db.execute(
                "UPDATE videos SET claim = ?, due_at = ?, tries = ? WHERE number = ?",
                (token, claim.expires_at, claim.tries, row["number"]),
            )
            attempt = self._db.execute(
                "INSERT INTO attempts (video, job, worker, started_at) VALUES (?, ?, ?, ?)",
                (row["number"], job, worker, now),
            ).lastrowid
        return replace(claim, attempt=int(attempt or 0))

    def renew(self, claim: Claim, lease_s: float = 300.0) -> None:
        """Extend a claim to `lease_s` seconds from now.

        Raises:
            ClaimLost: It expired and another worker took the video.
        """
        done = self._db.execute(
            "UPDATE videos SET due_at = ? WHERE video_id = ? AND claim = ?",
            (self._db.clock() + lease_s, claim.video_id, claim.token),
        ).rowcount
        if not done:
            raise ClaimLost(claim.video_id)

    def finish(
        self, claim: Claim, state: State, reason: str | None = None, detail: str | None = None
    ) -> None:
        """End a claim with a new state of the video.

        Call it in the `Database.transaction` that stores the results, so that either all or nothing
        is stored.

        Raises:
            ClaimLost: The claim is no longer valid; nothing is stored.
        """
        self._end(claim, state, 0.0, 0, state, reason, detail)

    def defer(
        self, claim: Claim, delay_s: float, reason: str, detail: str, count_try: bool = True
    ) -> None:
        """End a claim; the video is due again after `delay_s` seconds."""
        due = self._db.clock() + delay_s
        tries = claim.tries + count_try
        self._end(claim, claim.state, due, tries, "deferred", reason, detail)

    def release(self, claim: Claim, reason: str = "interrupted") -> None:
        """End a claim; the video is due at once, and the attempt does not count as a try."""
        self._end(claim, claim.state, 0.0, claim.tries, "released", reason, None)

    def next_due_s(self, job: Job) -> float | None:
        """Return the seconds until a video of a job is due (0 for now), or None without any."""
        rows = (
            self._db.execute(
                "SELECT due_at FROM videos WHERE state = ? ORDER BY due_at LIMIT 1", (state,)
            ).fetchone()
            for state in JOB_STATES[job]
        )
        due = min((row["due_at"] for row in rows if row is not None), default=None)
        return None if due is None else max(0.0, due - self._db.clock())

    def waiting(self, job: Job) -> int:
        """Return the number of videos in the states that a job takes them from, due or not."""
        states = JOB_STATES[job]
        marks = ", ".join("?" * len(states))
        row = self._db.execute(
            f"SELECT sum(count) FROM counters WHERE topic = 'state' AND key IN ({marks})", states
        ).fetchone()
        return int(row[0] or 0)

    def history(self, video_id: str) -> list[Attempt]:
        """Return every attempt on a video, oldest first."""
        rows = self._db.execute(
            "SELECT job, worker, started_at, ended_at, outcome, reason, detail FROM attempts "
            "WHERE video = ? ORDER BY number",
            (self._db.number_of(video_id),),
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
        now = self._db.clock()
        with self._db.transaction():
            done = self._db.execute(
                "UPDATE videos SET state = ?, reason = ?, detail = ?, due_at = ?, tries = ?, "
                "claim = NULL, changed_at = ? WHERE video_id = ? AND claim = ?",
                (state, reason, detail, due_at, tries, now, claim.video_id, claim.token),
            ).rowcount
            if not done:
                raise ClaimLost(claim.video_id)
            self._db.execute(
                "UPDATE attempts SET ended_at = ?, outcome = ?, reason = ?, detail = ? "
                "WHERE number = ?",
                (now, outcome, reason, detail, claim.attempt),
            )
