"""A cache stays within its limit, and computes each value once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt360.explore.bounded_cache import BoundedCache


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=30))
def test_its_values_never_exceed_its_limit(requests):
    cache = BoundedCache(50, len)
    for key, size in requests:
        cache.get((key, size), lambda size=size: bytes(size))
        assert cache.bytes <= 50


def test_the_value_that_was_used_longest_ago_is_dropped():
    cache, computed = BoundedCache(2, len), []
    for key in "abacab":
        cache.get(key, lambda key=key: computed.append(key) or b"1")
    assert computed == ["a", "b", "c", "b"]


def test_threads_that_ask_at_the_same_time_share_one_computation():
    cache, started, go, calls = BoundedCache(9, len), threading.Event(), threading.Event(), []

    def compute():
        calls.append(1)
        started.set()
        go.wait(10)
        return b"value"

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.get, "key", compute)
        started.wait(10)
        second = threads.submit(cache.get, "key", compute)
        go.set()
        assert first.result() == second.result() == b"value"
    assert len(calls) == 1


def test_an_error_is_not_kept():
    cache = BoundedCache(9, len)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 // 0)
    assert cache.get("key", lambda: b"value") == b"value"
