from __future__ import annotations

import math
import random
import threading
import time
from itertools import pairwise

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog
from yt360.crawl.rate_limit import (
    Interrupted,
    RateLimitConfig,
    RateLimiter,
    is_youtube_host,
    site_of,
)


class FakeTime:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


@pytest.fixture
def make_limiter(tmp_path, clock):
    """Return a function that makes the rate limiters of several workers on one catalog."""
    path = tmp_path / "my.catalog"
    catalogs = []

    def sleep(seconds):
        clock.now += seconds
        return False

    def make(wait=sleep, **changes):
        catalogs.append(Catalog(path, create=True, clock=clock))
        notes = []
        limiter = RateLimiter(
            catalogs[-1],
            RateLimitConfig(**{"interval_s": 2.0, "jitter": 0.0, **changes}),
            threading.Event(),
            random.Random(0),
            notes.append,
            wait,
        )
        limiter.notes = notes
        return limiter

    yield make
    for catalog in catalogs:
        catalog.close()


def test_requests_of_all_workers_together_keep_their_distance(make_limiter, clock):
    first, second = make_limiter(), make_limiter()
    moments = []
    for limiter in (first, second, first, second):
        limiter.wait_turn("youtube")
        moments.append(clock.now)
    assert moments == [1000.0, 1002.0, 1004.0, 1006.0]
    first.wait_turn("elsewhere")
    assert clock.now == 1006.0, "another site has its own turns"


def test_gaps_are_stretched_by_chance_within_bounds(make_limiter, clock):
    limiter = make_limiter(jitter=0.5)
    moments = []
    for _ in range(30):
        limiter.wait_turn("youtube")
        moments.append(clock.now)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(2.0 <= gap <= 3.0 for gap in gaps) and len(set(gaps)) == len(gaps)


def test_pauses_double_and_a_success_ends_the_doubling(make_limiter, clock):
    limiter = make_limiter(first_pause_s=60, max_pause_s=200)
    lengths = []
    for _ in range(4):
        limiter.slow_down("youtube")
        lengths.append(limiter.pause_left_s("youtube"))
        limiter.wait_out_pause("youtube")
    assert lengths == [60, 120, 200, 200]
    limiter.report_success("youtube")
    limiter.slow_down("youtube")
    assert limiter.pause_left_s("youtube") == 60


def test_a_retry_after_is_never_cut_short(make_limiter):
    limiter = make_limiter(first_pause_s=60, max_pause_s=200)
    limiter.slow_down("youtube", retry_after_s=5000)
    assert limiter.pause_left_s("youtube") == 5000


def test_answers_that_arrive_during_a_pause_are_one_strike(make_limiter):
    limiters = [make_limiter(first_pause_s=60) for _ in range(4)]
    for limiter in limiters:
        limiter.slow_down("youtube")
    assert limiters[0].pause_left_s("youtube") == 60
    assert len([note for limiter in limiters for note in limiter.notes]) == 1


def test_only_an_unbroken_row_of_troubles_is_a_slow_down(make_limiter):
    limiter = make_limiter(max_errors=3)
    for _ in range(2):
        limiter.report_error("youtube")
    limiter.report_success("youtube")
    for _ in range(2):
        limiter.report_error("youtube")
    assert limiter.pause_left_s("youtube") == 0
    limiter.report_error("youtube")
    assert limiter.pause_left_s("youtube") == 60


def test_after_a_pause_without_success_one_trouble_is_enough(make_limiter):
    limiter = make_limiter(max_errors=3)
    assert [limiter.report_error("youtube") for _ in range(3)] == [False, False, True]
    limiter.wait_out_pause("youtube")
    assert limiter.report_error("youtube")
    limiter.wait_out_pause("youtube")
    limiter.report_success("youtube")
    assert not limiter.report_error("youtube")


def test_a_turn_that_was_reserved_before_a_pause_is_not_taken_in_it(make_limiter, clock):
    def told_to_slow_down_meanwhile(seconds):
        if clock.now == 1000.0 and seconds:
            first.slow_down("youtube", retry_after_s=600)
        clock.now += seconds
        return False

    first, second = make_limiter(), make_limiter(wait=told_to_slow_down_meanwhile)
    first.wait_turn("youtube")
    second.wait_turn("youtube")
    assert clock.now == 1600.0
    first.wait_turn("youtube")
    assert clock.now == 1602.0, "the turns after the pause keep their distance too"


def test_a_success_leaves_a_pause_of_another_worker_alone(make_limiter, monkeypatch):
    first, second = make_limiter(), make_limiter(first_pause_s=60)
    first.report_error("youtube")
    get, told = first._catalog.sites.get, threading.Event()

    def say_slow_down():
        with Catalog(second._catalog.path, clock=second._catalog.clock) as catalog:
            limiter = RateLimiter(catalog, RateLimitConfig(), threading.Event(), random.Random(0))
            limiter.slow_down("youtube", retry_after_s=600)
        told.set()

    other = threading.Thread(target=say_slow_down)

    def get_while_the_other_is_told(site):
        state = get(site)
        other.start()
        told.wait(0.5)  # in vain where the other has to wait for us
        return state

    monkeypatch.setattr(first._catalog.sites, "get", get_while_the_other_is_told)
    first.report_success("youtube")
    other.join()
    assert second.pause_left_s("youtube") == 600


def test_an_answer_from_before_a_pause_does_not_end_the_doubling(make_limiter):
    limiter = make_limiter(first_pause_s=60)
    limiter.slow_down("youtube")
    limiter.report_success("youtube")
    limiter.wait_out_pause("youtube")
    limiter.slow_down("youtube")
    assert limiter.pause_left_s("youtube") == 120


def test_a_pause_beyond_our_patience_is_refused_at_once(make_limiter, clock):
    limiter = make_limiter(max_wait_s=100)
    limiter.slow_down("youtube", retry_after_s=101)
    with user_error("network", "youtube"):
        limiter.wait_turn("youtube")
    assert clock.now == 1000.0


def test_a_pause_outlives_the_process(make_limiter):
    make_limiter().slow_down("youtube", retry_after_s=300)
    assert make_limiter().pause_left_s("youtube") == 300


def test_stopping_wakes_a_sleeper(tmp_path):
    with Catalog(tmp_path / "my.catalog", create=True) as catalog:
        stop = threading.Event()
        limiter = RateLimiter(catalog, RateLimitConfig(), stop, random.Random(0))
        threading.Timer(0.05, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            limiter.sleep(60)
        assert time.monotonic() - began < 10


def test_all_hosts_of_youtube_are_one_site():
    for host in ("www.youtube.com", "youtu.be", "rr3---sn-x.googlevideo.com"):
        assert site_of(f"https://{host}/x") == "youtube"
    assert site_of("http://127.0.0.1:8000/x") == "127.0.0.1:8000"
    assert site_of("https://notyoutube.com/") == "notyoutube.com"


def test_hosts_where_anybody_can_serve_are_not_youtube():
    assert is_youtube_host("youtubei.googleapis.com")
    for host in ("storage.googleapis.com", "googleapis.com", "x.youtubei.googleapis.com"):
        assert not is_youtube_host(host)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_settings_that_are_no_finite_numbers_are_refused(value):
    for name in ("interval_s", "jitter", "first_pause_s", "max_pause_s", "max_wait_s"):
        with user_error("out-of-range", name):
            RateLimitConfig(**{name: value})


def test_settings_out_of_range_are_refused():
    with user_error("out-of-range", "interval_s"):
        RateLimitConfig(interval_s=-1)
    with user_error("out-of-range", "max_errors"):
        RateLimitConfig(max_errors=0)
