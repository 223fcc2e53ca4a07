"""Windows are consecutive parts of a stream, spread evenly."""

import numpy as np
import pytest

from yt360.quality.signal.windows import SpreadWindows, Window

RATE_HZ = 10


def windows_of(seconds: float, most: int, block: int = 7) -> list[Window]:
    stream = np.arange(round(seconds * RATE_HZ), dtype=np.float32)[None]
    spread = SpreadWindows(2.0, most, 100.0, seconds)
    found: list[Window] = []
    for start in range(0, stream.shape[1], block):
        found += spread.feed(stream[:, start : start + block], RATE_HZ)
    return found + list(spread.finish())


@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_windows_hold_the_samples_of_their_time_and_are_not_too_many(most: int) -> None:
    found = windows_of(14.0, most)
    assert len(found) <= most
    starts = [window.start_s for window in found]
    assert np.ptp(np.diff(starts)) == 0 if len(starts) > 1 else starts == [100.0]
    for window in found:
        first = (window.start_s - 100.0) * RATE_HZ
        np.testing.assert_array_equal(window.samples[0], first + np.arange(20))


def test_a_short_rest_is_left_out_unless_it_is_all() -> None:
    assert [window.duration_s for window in windows_of(4.9, 9)] == [2.0, 2.0]
    assert [window.duration_s for window in windows_of(5.0, 9)] == [2.0, 2.0, 1.0]
    assert [window.duration_s for window in windows_of(0.5, 9)] == [0.5]
    assert windows_of(0.0, 9) == []
