"""The rate limiter: a minimum interval between requests to a site, and pauses of the whole run.

Its state is in the catalog, so all threads and processes on a catalog share one rate limit, and a
pause that a site demands outlives the process.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Protocol

from pydantic import Field

from yt360.catalog import Catalog
from yt360.catalog.ids import YOUTUBE_HOSTS, split_url
from yt360.config import config_class
from yt360.errors import UserError
from yt360.retry import RetryPolicy

# Further hosts that only YouTube serves; anybody can serve from other hosts of googleapis.com.
_YOUTUBE_SUFFIXES = (".youtube.com", ".googlevideo.com", ".ytimg.com")
_API_HOST = "youtubei.googleapis.com"
_MAX_SLEEP_S = 5.0


class Interrupted(Exception):
    """The run was stopped; claims on videos in progress are released."""


class SiteRefuses(UserError):
    """A site demands a longer pause than this run may wait."""


Seconds = Annotated[float, Field(ge=0)]


@config_class
class RateLimitConfig:
    """Limits on requests to one site."""

    interval_s: Seconds = 2.0
    """Minimum interval between two requests, over all threads and processes."""
    jitter: Annotated[float, Field(ge=0)] = 1.0
    """Each interval is lengthened by a random fraction of itself, up to this one."""
    first_pause_s: Seconds = 60.0
    """Pause after the first "slow down"; it doubles with each further one."""
    max_pause_s: Seconds = 3600.0
    """Upper limit of the doubling. A longer ``Retry-After`` is honoured."""
    max_errors: Annotated[int, Field(ge=1)] = 5
    """Number of refusals (403) or broken responses in a row that cause a pause."""
    max_wait_s: Seconds = 7200.0
    """A run ends instead of waiting longer than this for a site."""


def site_of(url: str) -> str:
    """Return the site of a URL: ``"youtube"`` for all hosts of YouTube, else ``host:port``."""
    parts = split_url(url)
    host = (parts.hostname or "").lower()
    if is_youtube_host(host):
        return "youtube"
    return f"{host}:{parts.port}" if parts.port else host


def is_youtube_host(host: str) -> bool:
    """Return whether a host serves YouTube's pages or media."""
    return host in YOUTUBE_HOSTS or host == _API_HOST or host.endswith(_YOUTUBE_SUFFIXES)


class Pace(Protocol):
    """What the requests of one thread wait for."""

    def wait_turn(self, site: str) -> None:
        """Return when one request to `site` may be sent; raise Interrupted when the run ends."""

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Interrupted when the run ends."""


class RateLimiter:
    """Limits the requests of one thread, together with all others on the same catalog.

    Args:
        catalog: Holds the state; a connection of the calling thread.
        config: The limits.
        stop: Interrupts every wait when set.
        rng: Source of the jitter.
        note: Called with a line about each pause.
        wait: Sleeps for a number of seconds and returns whether `stop` is set.
    """

    def __init__(
        self,
        catalog: Catalog,
        config: RateLimitConfig,
        stop: threading.Event,
        rng: random.Random,
        note: Callable[[str], None] = lambda _: None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._catalog = catalog
        self._config = config
        self._wait = wait or stop.wait
        self._rng = rng
        self._note = note
        self._pauses = RetryPolicy(1, config.first_pause_s, max_delay_s=config.max_pause_s)

    def wait_turn(self, site: str) -> None:
        """Return when one request to `site` may be sent.

        A pause that begins while the thread waits cancels its turn.

        Raises:
            Interrupted: The run was stopped.
            SiteRefuses: The wait would be longer than ``max_wait_s``.
        """
        while True:
            self.wait_out_pause(site)
            gap_s = self._config.interval_s * (1.0 + self._config.jitter * self._rng.random())
            moment = self._catalog.sites.reserve(site, gap_s)
            while not self.pause_left_s(site):
                left_s = moment - self._catalog.clock()
                if left_s <= 0:
                    return
                self.sleep(min(left_s, _MAX_SLEEP_S))

    def wait_out_pause(self, site: str) -> None:
        """Return when `site` is not paused; raises as `wait_turn`."""
        while (left_s := self.check_pause(site)) > 0:
            self.sleep(min(left_s, _MAX_SLEEP_S))
        self.sleep(0.0)

    def check_pause(self, site: str) -> float:
        """Return the remaining seconds of the pause of `site`.

        Raises:
            SiteRefuses: They are more than ``max_wait_s``.
        """
        left_s = self.pause_left_s(site)
        if left_s > self._config.max_wait_s:
            raise SiteRefuses(
                f"{site} demands a pause of {left_s / 60:.0f} more minutes; run it again then",
                "network",
                site,
            )
        return left_s

    def pause_left_s(self, site: str) -> float:
        """Return the remaining seconds of the pause of `site`."""
        return max(0.0, self._catalog.sites.get(site).paused_until - self._catalog.clock())

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Interrupted when the run is stopped."""
        if self._wait(max(0.0, seconds)):
            raise Interrupted

    def slow_down(self, site: str, retry_after_s: float | None = None) -> None:
        """Pause the whole run for `site`: it answered 429, a captcha, or several refusals in a row.

        The pause doubles with each strike and is at least the ``Retry-After``. Responses to
        requests from before a pause can only extend it.
        """
        with self._catalog.transaction():
            now = self._catalog.clock()
            state = self._catalog.sites.get(site)
            strikes = state.strikes if state.paused_until > now else state.strikes + 1
            pause_s = self._pauses.delay_s(strikes, retry_after_s=retry_after_s)
            until = max(state.paused_until, now + pause_s)
            self._catalog.sites.put(
                site, replace(state, paused_until=until, strikes=strikes, troubles=0)
            )
        if until > state.paused_until:
            self._note(f"{site} asks to slow down: all requests wait {until - now:.0f} s")

    def report_error(self, site: str) -> bool:
        """Count a refusal or a broken response; return whether it caused a pause of the run.

        ``max_errors`` in a row cause a pause; after a pause without a success, one does.
        """
        with self._catalog.transaction():
            state = self._catalog.sites.get(site)
            troubles = state.troubles + 1
            self._catalog.sites.put(site, replace(state, troubles=troubles))
        is_pause = troubles >= (1 if state.strikes else self._config.max_errors)
        if is_pause:
            self.slow_down(site)
        return is_pause

    def report_success(self, site: str) -> None:
        """Reset the error counts of a site.

        A response to a request from before a pause ends neither the pause nor the doubling.
        """
        with self._catalog.transaction():
            state = self._catalog.sites.get(site)
            paused = state.paused_until > self._catalog.clock()
            if (state.strikes or state.troubles) and not paused:
                self._catalog.sites.put(site, replace(state, strikes=0, troubles=0))
