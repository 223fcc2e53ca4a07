"""What the driver of a download tells its workers: it is there, and which sites are paused.

The driver writes a small file in the media folder again and again, and workers read it. Without the
file, or when it does not change any more, the run has ended and workers stop, also in jobs that
outlive the driver. Times in the file are durations, since clocks of machines differ.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from yt360.catalog import Catalog
from yt360.crawl.rate_limit import Interrupted
from yt360.errors import UserError
from yt360.files import write_json
from yt360.untrusted.files import read_limited

BEAT_S = 2.0
"""Seconds between two beats of the driver."""
SILENCE_S = 180.0
"""Seconds without a beat after which workers stop; NFS may show an old file for a minute."""
_MAX_BYTES = 1 << 16
_PATTERN = "run-*.json"


class Beacon:
    """A thread that writes the file of a run while the ``with`` block runs.

    Args:
        catalog_path: The catalog, which knows the pauses of sites.
        folder: Folder of the file, for one run at a time; files of earlier runs are removed, so
            their workers stop.
        beat_s: Seconds between two beats.

    Attributes:
        path: The file.
    """

    def __init__(self, catalog_path: Path, folder: Path, beat_s: float = BEAT_S) -> None:
        self.path = folder / f"run-{secrets.token_hex(8)}.json"
        self._catalog_path = catalog_path
        self._beat_s = beat_s
        self._beat = 0
        self._changed, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="beacon", daemon=True)

    def __enter__(self) -> Beacon:
        for old in self.path.parent.glob(_PATTERN):
            old.unlink(missing_ok=True)
        with Catalog(self._catalog_path) as catalog:
            self._write(catalog)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._changed.set()
        self._thread.join()
        self.path.unlink(missing_ok=True)

    def tell(self) -> None:
        """Write the file at once, since a site may have been paused."""
        self._changed.set()

    def _run(self) -> None:
        while not self._end.is_set():
            with (
                suppress(OSError, sqlite3.Error, UserError),  # the next beat may succeed
                Catalog(self._catalog_path) as catalog,
            ):
                while self._wait():
                    self._write(catalog)
            self._end.wait(self._beat_s)

    def _wait(self) -> bool:
        """Wait for the next beat; return False at the end."""
        self._changed.wait(self._beat_s)
        self._changed.clear()
        return not self._end.is_set()

    def _write(self, catalog: Catalog) -> None:
        self._beat += 1
        write_json(self.path, {"beat": self._beat, "paused_s": catalog.sites.pauses_s()})


class BeaconReader:
    """Reads the file of a run in a worker.

    Args:
        path: The file.
        clock: Returns seconds that only grow.
        silence_s: Seconds without a new beat after which the driver is gone.
        fresh_s: Seconds for which the content is not read again.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        silence_s: float = SILENCE_S,
        fresh_s: float = 1.0,
    ) -> None:
        self._path, self._clock = path, clock
        self._silence_s, self._fresh_s = silence_s, fresh_s
        self._beat = 0
        self._read_at = -fresh_s
        self._heard_at = clock()
        self._until: dict[str, float] = {}

    def check(self) -> None:
        """Raise Interrupted when the run has ended."""
        now = self._clock()
        if now < self._read_at + self._fresh_s:
            return
        try:
            content = json.loads(read_limited(self._path, _MAX_BYTES))
            beat = content["beat"]
            pauses = {str(site): float(left) for site, left in content["paused_s"].items()}
        except FileNotFoundError:
            raise Interrupted from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            beat = self._beat  # a shared disk may fail for a moment
        if beat != self._beat:
            self._beat, self._heard_at = beat, now
            self._until = {site: now + left for site, left in pauses.items()}
        if now > self._heard_at + self._silence_s:
            raise Interrupted
        self._read_at = now

    def pause_left_s(self, site: str) -> float:
        """Return the remaining seconds of the pause of a site; raise as `check`."""
        self.check()
        return max(0.0, self._until.get(site, 0.0) - self._clock())
