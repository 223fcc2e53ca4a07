"""One holder at a time, and people first."""

import threading
import time

from yt360.explore.layers.model_lock import ModelLock


def test_who_waits_for_a_result_comes_before_the_background():
    lock, order = ModelLock(), []

    def use(is_urgent):
        with lock.hold(is_urgent=is_urgent):
            order.append(is_urgent)

    threads = [threading.Thread(target=use, args=(urgent,)) for urgent in (False, True)]
    with lock.hold(is_urgent=False):
        for thread in threads:
            thread.start()
        while not lock._urgent:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == [True, False]


def test_an_error_of_the_holder_frees_the_lock():
    lock = ModelLock()
    try:
        with lock.hold(is_urgent=True):
            raise ValueError
    except ValueError:
        pass
    with lock.hold(is_urgent=False):
        pass
