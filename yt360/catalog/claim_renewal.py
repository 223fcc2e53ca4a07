"""Renewal of claims while their videos are processed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from yt360.catalog.catalog import Catalog
from yt360.catalog.records import Claim
from yt360.catalog.tables.claims import ClaimLost
from yt360.errors import UserError

MAX_LEASE_S = 86_400
_RENEWALS_PER_LEASE, _RETRIES_PER_LEASE = 3, 30


class ClaimRenewal:
    """A thread that renews the claims of this process every third of their lease.

    Use it as a context manager around the work; each worker registers its claim with `keep`. When
    the catalog cannot be written, for example because it is locked, the renewal is soon repeated. A
    claim whose lease expires in the meantime is lost until a renewal succeeds.

    Args:
        path: The catalog.
        lease_s: Seconds that a claim is valid without renewal.
        open_catalog: Opens the catalog.
    """

    def __init__(
        self, path: Path, lease_s: float, open_catalog: Callable[[Path], Catalog] = Catalog
    ) -> None:
        self._path = path
        self._lease_s = lease_s
        self._open_catalog = open_catalog
        self._claims: dict[str, Claim] = {}
        self._valid_until: dict[str, float] = {}  # seconds since 1970, by token
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="claim-renewal", daemon=True)

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
            self._valid_until[claim.token] = claim.expires_at
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(claim.token, None)
                self._valid_until.pop(claim.token, None)

    def check(self, claim: Claim) -> None:
        """Raise ClaimLost when a claim has expired or another worker took it."""
        with self._lock:
            lost = time.time() >= self._valid_until.get(claim.token, claim.expires_at)
        if lost:
            raise ClaimLost(claim.video_id)

    def _run(self) -> None:
        pause_s = self._lease_s / _RENEWALS_PER_LEASE
        while not self._end.wait(pause_s):
            try:
                self._renew_all()
                pause_s = self._lease_s / _RENEWALS_PER_LEASE
            except (sqlite3.Error, UserError):  # UserError: the catalog cannot be opened
                pause_s = self._lease_s / _RETRIES_PER_LEASE

    def _renew_all(self) -> None:
        with self._lock:
            claims = list(self._claims.values())
        if not claims:
            return
        with self._open_catalog(self._path) as catalog:
            for claim in claims:
                until = catalog.clock() + self._lease_s
                try:
                    catalog.claims.renew(claim, self._lease_s)
                except ClaimLost:
                    until = 0.0
                with self._lock:
                    if claim.token in self._valid_until:
                        self._valid_until[claim.token] = until
