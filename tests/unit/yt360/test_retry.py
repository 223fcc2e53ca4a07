"""Retries back off exponentially, end after the last attempt, and can be interrupted."""

import random

import pytest

from yt360.retry import RetryPolicy

POLICY = RetryPolicy(max_attempts=4, first_delay_s=1.0, factor=3.0, max_delay_s=5.0, jitter=0.5)


class Flaky:
    """Fails a number of times, then returns its number of calls."""

    def __init__(self, failures, error=OSError):
        self.failures, self.error, self.calls, self.slept = failures, error, 0, []

    def __call__(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(self.calls)
        return self.calls

    def attempt(self, sleep=None):
        return POLICY.call(
            self,
            is_transient=lambda error: isinstance(error, OSError),
            sleep=sleep or self.slept.append,
        )


def test_the_delay_grows_by_the_factor_up_to_its_limit():
    assert [POLICY.delay_s(n) for n in (1, 2, 3, 10_000)] == [1.0, 3.0, 5.0, 5.0]
    assert RetryPolicy(1, 1.0).delay_s(10_000) == 2.0**30  # no overflow


def test_jitter_lengthens_a_delay_and_retry_after_is_its_lower_limit():
    rng = random.Random(0)
    delays = [POLICY.delay_s(3, rng=rng) for _ in range(100)]
    assert 5.0 <= min(delays) < max(delays) < 7.5
    assert POLICY.delay_s(1, retry_after_s=60.0) == 60.0
    assert POLICY.delay_s(3, retry_after_s=1.0) == 5.0


def test_an_operation_is_attempted_until_it_succeeds():
    flaky = Flaky(failures=3)
    assert flaky.attempt() == 4 and flaky.slept == [1.0, 3.0, 5.0]


@pytest.mark.parametrize(
    ("flaky", "sleep", "calls"),
    [
        (Flaky(9), None, 4),
        (Flaky(9, ValueError), None, 1),  # not transient
        (Flaky(9), lambda _: True, 1),  # interrupted
    ],
    ids=["exhausted", "final", "interrupted"],
)
def test_the_last_error_is_raised(flaky, sleep, calls):
    with pytest.raises(flaky.error) as raised:
        flaky.attempt(sleep)
    assert raised.value.args == (calls,) and flaky.calls == calls
