"""The pace of one worker of many: an equal part of the one pace at which a site is asked.

Workers cannot ask the driver before each request. Instead, of n workers each waits n times the
interval of the site between two of its requests, and begins at a random moment, so that all of them
together ask as often as one process would. The pauses of the site hold for all of them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from yt360.crawl.download.remote.beacon import BeaconReader
from yt360.crawl.rate_limit import RateLimitConfig

_MAX_SLEEP_S = 1.0


class SharedPace:
    """Limits the requests of one worker process; see `yt360.crawl.rate_limit.Pace`.

    Args:
        reader: Tells pauses and the end of the run.
        config: The limits of the whole run.
        workers: Maximum number of workers of the run.
        rng: Source of the jitter.
        clock: Returns seconds that only grow.
        wait: Sleeps for a number of seconds.
    """

    def __init__(
        self,
        reader: BeaconReader,
        config: RateLimitConfig,
        workers: int,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._reader = reader
        self._interval_s = config.interval_s * workers
        self._jitter = config.jitter
        self._rng, self._clock, self._wait = rng, clock, wait
        self._next_at: dict[str, float] = {}

    def wait_turn(self, site: str) -> None:
        """Return when one request to `site` may be sent; raise Interrupted when the run ends."""
        if site not in self._next_at:
            self._next_at[site] = self._random_moment()
        while True:
            pause_s = self._reader.pause_left_s(site)
            if pause_s > 0:
                # All workers wait for the same end, and must not ask at once then.
                moment = self._random_moment() + pause_s
                self._next_at[site] = max(self._next_at[site], moment)
                self.sleep(pause_s)
                continue
            left_s = self._next_at[site] - self._clock()
            if left_s <= 0:
                break
            self.sleep(min(left_s, _MAX_SLEEP_S))
        gap_s = self._interval_s * (1.0 + self._jitter * self._rng.random())
        self._next_at[site] = self._clock() + gap_s

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Interrupted when the run ends."""
        until = self._clock() + seconds
        self._reader.check()
        while (left_s := until - self._clock()) > 0:
            self._wait(min(left_s, _MAX_SLEEP_S))
            self._reader.check()

    def _random_moment(self) -> float:
        return self._clock() + self._interval_s * self._rng.random()
