"""Not asking too often: spacing of requests, random pauses, and backing off as a whole run.

State lives in the catalog, so several threads and processes on one catalog are as polite together
as one of them alone, and a pause that a site demanded outlives the process.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from yt360.catalog import Catalog
from yt360.catalog.ids import YOUTUBE_HOSTS, split_url
from yt360.crawl.validation import check_number
from yt360.errors import UserError

# Further hosts that only YouTube itself serves; elsewhere under googleapis.com anybody can.
_YOUTUBE_SUFFIXES = (".youtube.com", ".googlevideo.com", ".ytimg.com")
_API_HOST = "youtubei.googleapis.com"
_LONGEST_NAP_S = 5.0


class Interrupted(Exception):
    """The run was asked to stop; what is under way is given back."""


class SiteRefuses(UserError):
    """A site demands a longer pause than this run may wait."""


@dataclass(frozen=True, kw_only=True)
class RateLimitConfig:
    """How politely to ask.

    Attributes:
        interval_s: Least time between two requests to one site, over all threads and processes.
        jitter: Each gap is stretched by a random part of this share of it.
        first_pause_s: Pause after the first "slow down"; it doubles with each further one.
        longest_pause_s: Where the doubling ends. A longer ``Retry-After`` is still honoured.
        max_errors: So many refusals (403) or broken answers in a row are a "slow down" too.
        max_wait_s: A run ends rather than wait longer than this for a site.
    """

    interval_s: float = 2.0
    jitter: float = 1.0
    first_pause_s: float = 60.0
    longest_pause_s: float = 3600.0
    max_errors: int = 5
    max_wait_s: float = 7200.0

    def __post_init__(self) -> None:
        for name in ("interval_s", "jitter", "first_pause_s", "longest_pause_s", "max_wait_s"):
            check_number(name, getattr(self, name))
        if self.max_errors < 1:
            raise UserError(f"max_errors of {self.max_errors} is below 1")


def site_of(url: str) -> str:
    """Return the site that a URL loads: ``"youtube"`` for all its hosts, else ``host:port``."""
    parts = split_url(url)
    host = (parts.hostname or "").lower()
    if is_youtube_host(host):
        return "youtube"
    return f"{host}:{parts.port}" if parts.port else host


def is_youtube_host(host: str) -> bool:
    """Return whether YouTube's pages or media come from `host`."""
    return host in YOUTUBE_HOSTS or host == _API_HOST or host.endswith(_YOUTUBE_SUFFIXES)


class RateLimiter:
    """Says when a site may be asked, and learns from its answers.

    Args:
        catalog: Where the state lives; of the calling thread.
        config: How politely to ask.
        stop: Ends every wait at once when set.
        rng: Draws the random part of the gaps.
        note: Told about pauses.
    """

    def __init__(
        self,
        catalog: Catalog,
        config: RateLimitConfig,
        stop: threading.Event,
        rng: random.Random,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self.config = config
        self._stop = stop
        self._rng = rng
        self._note = note

    def wait_turn(self, site: str) -> None:
        """Return when `site` may be asked once.

        A pause that begins while a turn is waited for takes the turn away.

        Raises:
            Interrupted: The run is being stopped.
            SiteRefuses: The wait would be longer than ``max_wait_s``.
        """
        while True:
            self.wait_out_pause(site)
            gap = self.config.interval_s * (1.0 + self.config.jitter * self._rng.random())
            moment = self._catalog.sites.reserve(site, gap)
            while not self.pause_left_s(site):
                left = moment - self._catalog.clock()
                if left <= 0:
                    return
                self.sleep(min(left, _LONGEST_NAP_S))

    def wait_out_pause(self, site: str) -> None:
        """Return when no pause holds for `site`; raises as `wait_turn`."""
        while (left := self.pause_left_s(site)) > 0:
            if left > self.config.max_wait_s:
                raise SiteRefuses(
                    f"{site} asks to wait for {left / 60:.0f} more minutes; run this again then"
                )
            self.sleep(min(left, _LONGEST_NAP_S))
        self.sleep(0.0)

    def pause_left_s(self, site: str) -> float:
        """Return how long `site` is still paused."""
        return max(0.0, self._catalog.sites.get(site).paused_until - self._catalog.clock())

    def sleep(self, seconds: float) -> None:
        """Sleep, but wake up and raise Interrupted when the run is stopped."""
        if self._stop.wait(max(0.0, seconds)) or self._stop.is_set():
            raise Interrupted

    def slow_down(self, site: str, retry_after_s: float | None = None) -> None:
        """Pause the whole run for `site`: it said 429, asked for a human, or refused in a burst.

        The pause doubles with each strike and is never shorter than the ``Retry-After``. Answers
        that were under way when a pause began only lengthen it.
        """
        with self._catalog.transaction():
            now = self._catalog.clock()
            state = self._catalog.sites.get(site)
            strikes = state.strikes if state.paused_until > now else state.strikes + 1
            pause = min(
                self.config.first_pause_s * 2.0 ** min(strikes - 1, 30),
                self.config.longest_pause_s,
            )
            until = max(state.paused_until, now + max(pause, retry_after_s or 0.0))
            self._catalog.sites.put(
                site, replace(state, paused_until=until, strikes=strikes, troubles=0)
            )
        if until > state.paused_until:
            self._note(f"{site} says slow down: everything waits {until - now:.0f} s")

    def trouble(self, site: str) -> bool:
        """Count a refusal or a broken answer; return whether it became a pause of the run.

        A row of them is a "slow down"; after a pause without a success, a single one is.
        """
        with self._catalog.transaction():
            state = self._catalog.sites.get(site)
            troubles = state.troubles + 1
            self._catalog.sites.put(site, replace(state, troubles=troubles))
        is_burst = troubles >= (1 if state.strikes else self.config.max_errors)
        if is_burst:
            self.slow_down(site)
        return is_burst

    def success(self, site: str) -> None:
        """Forget past troubles: the site answers as it should.

        An answer that was under way when a pause began ends neither it nor the doubling.
        """
        with self._catalog.transaction():
            state = self._catalog.sites.get(site)
            paused = state.paused_until > self._catalog.clock()
            if (state.strikes or state.troubles) and not paused:
                self._catalog.sites.put(site, replace(state, strikes=0, troubles=0))
