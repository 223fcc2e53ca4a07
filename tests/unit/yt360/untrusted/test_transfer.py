"""A server decides neither how much is taken nor for how long."""

from __future__ import annotations

import pytest

from yt360.untrusted.transfer import TooMuch, TooSlow, TransferLimits, Watch

LIMITS = TransferLimits(
    max_bytes=10_000_000,
    min_rate_bytes_per_s=1_000,
    window_s=60,
    mean_rate_bytes_per_s=20_000,
    grace_s=100,
)


class Server:
    """Sends `count` bytes after every `pause_s` of a clock of its own."""

    def __init__(self, count, pause_s):
        self.count, self.pause_s, self.now = count, pause_s, 0.0

    def clock(self):
        return self.now

    def read(self):
        self.now += self.pause_s
        return self.count


def run(server, limits=LIMITS, reads=100_000, between_s=0.0):
    watch = Watch(limits, server.clock)
    for _ in range(reads):
        watch.wait_for(server.read)
        server.now += between_s


def test_a_byte_every_two_seconds_is_too_slow_after_the_window():
    server = Server(1, 2.0)
    with pytest.raises(TooSlow, match="too slow: 30 bytes in 60 s"):
        run(server)
    assert server.now == LIMITS.window_s


def test_what_keeps_the_least_rate_is_too_slow_when_the_whole_takes_too_long():
    server = Server(2_000, 1.0)
    with pytest.raises(TooSlow):
        run(server)
    assert server.now == pytest.approx(LIMITS.total_s, abs=1.0) and LIMITS.total_s == 600


def test_more_than_belongs_to_an_answer_is_too_much():
    server = Server(1 << 20, 0.001)
    with pytest.raises(TooMuch, match="more than 10000000 bytes"):
        run(server)
    assert server.now < 0.03


def test_time_that_we_take_ourselves_does_not_count():
    run(Server(1_000, 0.01), reads=1_000, between_s=100.0)
