"""Keeping claims alive while their videos are worked on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from yt360.catalog import Catalog, Claim, ClaimLost
from yt360.errors import UserError

MAX_LEASE_S = 86_400
_BEATS_A_LEASE, _TRIES_A_LEASE = 3, 30


class ClaimRenewal:
    """A thread that renews the claims of this process every third of their lease.

    Use as a context manager around the work; each worker holds its claim with `keep`. A catalog
    that cannot be written for a moment (locked, say) is tried again soon; a claim whose lease
    passes meanwhile is lost, until it could be renewed after all.

    Args:
        path: The catalog.
        lease_s: How long a claim holds without renewal.
    """

    def __init__(self, path: Path, lease_s: float) -> None:
        self._path = path
        self._lease_s = lease_s
        self._claims: dict[str, Claim] = {}
        self._held_until: dict[str, float] = {}  # seconds since 1970, by token
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="renewal", daemon=True)

    def __enter__(self) -> ClaimRenewal:
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
            self._held_until[claim.token] = claim.expires_at
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(claim.token, None)
                self._held_until.pop(claim.token, None)

    def check(self, claim: Claim) -> None:
        """Raise ClaimLost when a claim could not be renewed in time."""
        with self._lock:
            lost = time.time() >= self._held_until.get(claim.token, claim.expires_at)
        if lost:
            raise ClaimLost(claim.video_id)

    def _beat(self) -> None:
        pause_s = self._lease_s / _BEATS_A_LEASE
        while not self._end.wait(pause_s):
            try:
                self._renew_all()
                pause_s = self._lease_s / _BEATS_A_LEASE
            except (sqlite3.Error, UserError):  # a UserError: the catalog could not be opened
                pause_s = self._lease_s / _TRIES_A_LEASE

    def _renew_all(self) -> None:
        with self._lock:
            claims = list(self._claims.values())
        if not claims:
            return
        with Catalog(self._path) as catalog:
            for claim in claims:
                until = catalog.clock() + self._lease_s
                try:
                    catalog.claims.renew(claim, self._lease_s)
                except ClaimLost:
                    until = 0.0
                with self._lock:
                    if claim.token in self._held_until:
                        self._held_until[claim.token] = until
