"""Work ahead of use: in order, bounded, with errors where they belong."""

from __future__ import annotations

import threading
import time
from itertools import count, islice

import pytest

from avsa.data.prefetch import prefetched, read_ahead


def test_results_come_in_the_order_of_the_items():
    def slow_first(number):
        time.sleep(0.002 * (number % 3 == 0))
        return number

    assert list(prefetched(slow_first, range(20), threads=3, ahead=5)) == list(range(20))
    assert list(prefetched(slow_first, [], threads=3, ahead=5)) == []


def test_no_more_than_so_many_results_are_computed_ahead():
    taken, done = [], []
    items = (taken.append(number) or number for number in count())
    results = prefetched(done.append, items, threads=2, ahead=3)
    for used in range(1, 5):
        next(results)
        assert len(taken) == used + 3
    results.close()
    assert len(done) <= 7


def test_an_error_is_raised_in_its_place():
    def work(number):
        return 1 / (number - 2)

    results = prefetched(work, count(), threads=2, ahead=4)
    assert list(islice(results, 2)) == [-0.5, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_work_is_done_in_other_threads():
    names = set(prefetched(lambda _: threading.current_thread().name, range(8), 2, 2))
    assert threading.current_thread().name not in names and 1 <= len(names) <= 2


def test_items_are_taken_ahead_in_order_and_no_more_than_so_many():
    taken = []
    items = (taken.append(number) or number for number in count())
    ahead = read_ahead(items, ahead=2)
    for used in range(4):
        assert next(ahead) == used
        while len(taken) < used + 3:
            time.sleep(0.001)
    ahead.close()
    items.close()  # the thread has left it
    assert len(taken) == 6
    assert list(read_ahead(iter(range(5)), ahead=3)) == list(range(5))
    assert list(read_ahead(iter([]), ahead=1)) == []


def test_what_an_iterator_raises_comes_after_its_items():
    ahead = read_ahead((1 / (number - 2) for number in count()), ahead=4)
    assert list(islice(ahead, 2)) == [-0.5, -1]
    with pytest.raises(ZeroDivisionError):
        next(ahead)
