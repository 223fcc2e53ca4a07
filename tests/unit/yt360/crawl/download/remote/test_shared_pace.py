from __future__ import annotations

import itertools
import random

import pytest

from yt360.crawl.download.remote.shared_pace import SharedPace
from yt360.crawl.rate_limit import Interrupted, RateLimitConfig


class Scene:
    """A clock that only sleeping moves, and the pauses of a site."""

    def __init__(self, paused_until=0.0, ends_at=float("inf")):
        self.now, self.paused_until, self.ends_at = 0.0, paused_until, ends_at

    def check(self):
        if self.now >= self.ends_at:
            raise Interrupted

    def pause_left_s(self, _site):
        self.check()
        return max(0.0, self.paused_until - self.now)

    def sleep(self, seconds):
        self.now += seconds


def times(workers, seed, count=200, **scene):
    """Return the times of the requests of one of `workers` workers."""
    here = Scene(**scene)
    limits = RateLimitConfig(interval_s=2.0, jitter=1.0)
    pace = SharedPace(here, limits, workers, random.Random(seed), lambda: here.now, here.sleep)
    found = []
    for _ in range(count):
        pace.wait_turn("site")
        found.append(here.now)
    return found


@pytest.mark.parametrize("workers", [1, 8])
def test_all_workers_together_ask_no_faster_than_one(workers):
    asked = sorted(time for seed in range(workers) for time in times(workers, seed))
    assert len(asked) / (asked[-1] - asked[0]) <= 1 / 2.0
    assert asked[0] <= workers * 2.0, "each begins within its interval"
    one = times(workers, 0)
    gaps = [after - before for before, after in itertools.pairwise(one)]
    assert 2.0 * workers <= min(gaps) and max(gaps) <= 4.0 * workers


def test_after_a_pause_the_workers_do_not_all_ask_at_once():
    first = sorted(times(50, seed, count=1, paused_until=1000.0)[0] for seed in range(50))
    assert first[0] >= 1000.0
    per_window = [
        sum(start <= time < start + 20 for time in first) for start in range(1000, 1100, 20)
    ]
    assert sum(per_window) == 50 and max(per_window) <= 20, "10 are expected in each"


def test_a_wait_ends_with_the_run():
    with pytest.raises(Interrupted):
        times(1, 0, paused_until=1000.0, ends_at=30.0)
