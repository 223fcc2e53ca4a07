"""One writer at a time: an object that its writer renews while it lives.

A writer that was killed leaves the object. A writer with the same workspace, which is locked on its
machine, continues at once; others do when the lease has expired. Clocks of machines may differ, so
a lease only avoids double work: lists are replaced only in the version that was read, by which a
writer whose lease was taken is refused.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Annotated

from pydantic import Field

from yt360.buckets.bucket import Bucket, Stored
from yt360.buckets.failures import Changed, changed
from yt360.errors import UserError
from yt360.locks import Locked
from yt360.terminal.text import printable
from yt360.untrusted.parsing import parse_json

logger = logging.getLogger(__name__)

LEASE_FILE = ".writer.json"
LEASE_S = 600.0
"""Seconds after the last renewal until another writer may take over."""
RENEW_S = 60.0
_MAX_BYTES = 10_000
_Word = Annotated[str, Field(max_length=300)]
_UnixTime = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The content of the object.

    Attributes:
        session: Random name of the writer.
        workspace: Random name of the local folder in which it works.
        process: Its process and machine, for messages.
        renewed_s: Unix time of the last renewal, by its clock.
    """

    session: _Word
    workspace: _Word
    process: _Word
    renewed_s: _UnixTime


class WriterLease:
    """The right to write under a prefix; a context manager.

    Args:
        bucket: The prefix.
        workspace: Random name of the local folder, which the caller has locked.
        clock: Returns Unix time.
        renew_s: Seconds between renewals.

    Attributes:
        session: Random name of this writer.

    Raises:
        Locked: When entered: another writer holds it.
        UserError: When entered: the bucket is missing or cannot be written.
    """

    def __init__(
        self,
        bucket: Bucket,
        workspace: str,
        clock: Callable[[], float] = time.time,
        renew_s: float = RENEW_S,
    ) -> None:
        self.session = secrets.token_hex(16)
        self._bucket, self._workspace, self._clock = bucket, workspace, clock
        self._renew_s = renew_s
        self._version = ""
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_the_end, daemon=True)

    def __enter__(self) -> WriterLease:
        found = self._bucket.read(LEASE_FILE, _MAX_BYTES)
        holder = _parse(found)
        if holder is not None and holder.workspace != self._workspace:
            age_s = self._clock() - holder.renewed_s
            if age_s < LEASE_S:
                raise self._in_use(holder, age_s)
        try:
            self._version = self._bucket.put(
                LEASE_FILE, self._content(), None if found is None else found.version
            )
        except Changed:
            other = _parse(self._bucket.read(LEASE_FILE, _MAX_BYTES))
            raise self._in_use(other, 0.0) from None
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=30)
        with suppress(UserError):
            holder = _parse(self._bucket.read(LEASE_FILE, _MAX_BYTES))
            if holder is not None and holder.session == self.session:
                self._bucket.delete(LEASE_FILE)

    def check(self) -> None:
        """Check that no other writer has taken over, as far as this one knows.

        Raises:
            Changed: Another writer has.
        """
        if self._lost:
            raise changed(f"{self._bucket.url}/{LEASE_FILE}")

    def _renew_until_the_end(self) -> None:
        while not self._ended.wait(self._renew_s):
            try:
                self._version = self._bucket.put(LEASE_FILE, self._content(), self._version)
            except Changed:
                self._lost = True
                return
            except UserError as error:
                logger.warning("the lease on %s was not renewed: %s", self._bucket.url, error)

    def _content(self) -> bytes:
        holder = Holder(
            session=self.session,
            workspace=self._workspace,
            process=f"process {os.getpid()} on {socket.gethostname()}",
            renewed_s=round(self._clock(), 3),
        )
        return json.dumps(asdict(holder), indent=2, sort_keys=True).encode() + b"\n"

    def _in_use(self, holder: Holder | None, age_s: float) -> Locked:
        name = "another process" if holder is None else printable(holder.process)
        return Locked(
            f"{self._bucket.url} is in use by {name}, last seen {max(0.0, age_s):.0f} s ago; wait "
            f"until it ends. If it was killed, start again there, or in {LEASE_S - age_s:.0f} s",
            code="in-use",
            key=self._bucket.url,
        )


def _parse(found: Stored | None) -> Holder | None:
    """Return the holder; None if there is none, or the object is damaged."""
    if found is None:
        return None
    try:
        return parse_json(found.content, Holder)
    except ValueError:
        return None
