"""A log of decisions in a bucket, which processes on several machines may add to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from yt360.buckets.bucket import Bucket, Stored
from yt360.buckets.failures import Changed, changed
from yt360.review.decisions import Decision
from yt360.review.log import MAX_LOG_BYTES, REVIEW_FILE, end_of, parse_log

_MAX_TRIES = 20
"""Writers who may add a decision while one is added."""


class BucketLog:
    """Decisions about the clips of a dataset in a bucket: its ``review.jsonl``.

    The object is replaced in the version that was read, so no decision of others is lost where the
    store has conditional writes.

    Args:
        bucket: The folder of the log.
        name: The log in it.
    """

    def __init__(self, bucket: Bucket, name: str = REVIEW_FILE) -> None:
        self._bucket, self._name = bucket, name
        self._adding = threading.Lock()

    @classmethod
    def at(cls, url: str, open_bucket: Callable[[str], Bucket] = Bucket) -> BucketLog:
        """Return the log at a URL: that of a folder, or of a ``.jsonl`` file."""
        if not url.endswith(".jsonl"):
            return cls(open_bucket(url))
        folder, _, name = url.rpartition("/")
        return cls(open_bucket(folder), name)

    def read(self) -> list[Decision]:
        """Return all decisions by time.

        Raises:
            UserError: The bucket cannot be read, or a line is not a decision.
        """
        return self._parse(self._stored())

    def version(self) -> str:
        """Return a text that changes with the decisions."""
        stored = self._stored()
        return "none" if stored is None else hashlib.sha256(stored.content).hexdigest()[:32]

    def add(self, make: Callable[[list[Decision]], Decision]) -> Decision:
        """Add a decision; it is in the bucket at the return.

        Args:
            make: See `ReviewLog.add`; called again if somebody else adds a decision meanwhile.

        Raises:
            UserError: See `read`; or the bucket cannot be written.
        """
        decision: Decision | None = None
        with self._adding:
            for _ in range(_MAX_TRIES):
                stored = self._stored()
                known = self._parse(stored)
                if decision is not None and decision.id in {each.id for each in known}:
                    return decision  # only the answer of the write was lost
                decision = make(known)
                content = b"" if stored is None else stored.content
                content = content[: end_of(content)] + decision.to_line()
                version = None if stored is None else stored.version
                try:
                    self._bucket.put(self._name, content, version)
                except Changed:
                    continue
                return decision
        raise changed(self._url)

    @property
    def _url(self) -> str:
        return f"{self._bucket.url}/{self._name}"

    def _stored(self) -> Stored | None:
        return self._bucket.read(self._name, MAX_LOG_BYTES)

    def _parse(self, stored: Stored | None) -> list[Decision]:
        return [] if stored is None else parse_log(stored.content, self._url)
