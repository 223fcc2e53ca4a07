"""Keeping claims alive while their videos are worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from yt360.catalog import Catalog, Claim, ClaimLost


class Heartbeat:
    """A thread that renews the claims of this process every third of their lease.

    Use as a context manager around the work; each worker holds its claim with `keep`.

    Args:
        path: The catalog.
        lease_s: How long a claim holds without renewal.
    """

    def __init__(self, path: Path, lease_s: float) -> None:
        self._path = path
        self._lease_s = lease_s
        self._claims: dict[str, Claim] = {}
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    @contextmanager
    def keep(self, claim: Claim) -> Iterator[None]:
        """Renew a claim while the block runs."""
        with self._lock:
            self._claims[claim.token] = claim
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(claim.token, None)
                self._lost.discard(claim.token)

    def check(self, claim: Claim) -> None:
        """Raise ClaimLost when a claim could not be renewed in time."""
        if claim.token in self._lost:
            raise ClaimLost(claim.video_id)

    def _beat(self) -> None:
        with Catalog(self._path) as catalog:
            while not self._end.wait(self._lease_s / 3):
                with self._lock:
                    claims = list(self._claims.values())
                for claim in claims:
                    try:
                        catalog.claims.renew(claim, self._lease_s)
                    except ClaimLost:
                        self._lost.add(claim.token)
