"""Media are decoded elsewhere, and the server survives it."""

import os
import threading
import time

import pytest

from yt360.errors import BadItem
from yt360.explore.decoding import Decoding


def test_calls_run_in_other_processes():
    with Decoding(2) as decoding:
        assert decoding.call("item", os.getpid) != os.getpid()


def test_a_crash_costs_one_call():
    with Decoding(1) as decoding:
        with pytest.raises(BadItem) as raised:
            decoding.call("item", os._exit, 3)
        assert raised.value.reason == "crash"
        assert decoding.call("item", abs, -1) == 1


def test_stopping_ends_the_calls_in_progress():
    with Decoding(1) as decoding:
        decoding.call("item", abs, 1)
        failed = []

        def wait():
            try:
                decoding.call("item", time.sleep, 60)
            except BadItem as error:
                failed.append(error.reason)

        thread = threading.Thread(target=wait)
        thread.start()
        while decoding.is_idle:
            time.sleep(0.01)
        decoding.stop()
        thread.join(20)
        assert failed and not thread.is_alive()
        with pytest.raises(BadItem):
            decoding.call("item", abs, -1)
