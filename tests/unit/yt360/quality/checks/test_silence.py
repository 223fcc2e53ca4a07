"""Hysteresis keeps stretches of sounding clips whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt360.quality.checks.silence import (
    LEVELS_DBFS,
    SilenceConfig,
    distribution,
    sounding_clips,
)
from yt360.quality.verdict import Outcome

CONFIG = SilenceConfig()
BETWEEN = (CONFIG.open_dbfs + CONFIG.close_dbfs) / 2


@given(st.lists(st.floats(-120, 0), min_size=1, max_size=30))
def test_clips_clearly_loud_or_silent_are_called_so(levels: list[float]) -> None:
    for level, sounding in zip(levels, sounding_clips(levels, CONFIG), strict=True):
        assert sounding or level < CONFIG.open_dbfs
        assert not sounding or level >= CONFIG.close_dbfs


def test_between_the_thresholds_a_clip_is_what_the_one_before_is() -> None:
    assert sounding_clips([-20, BETWEEN, BETWEEN], CONFIG) == [True, True, True]
    expected = [False, False, True, True]
    assert sounding_clips([-90, BETWEEN, -20, BETWEEN], CONFIG) == expected


@pytest.mark.parametrize(
    ("levels", "outcome"),
    [
        ([-90, -90, -30, -90, -90], Outcome.OK),
        ([-90] * 5, Outcome.NOT_OK),
        ([], Outcome.UNSURE),
    ],
)
def test_one_loud_clip_in_five_is_enough(levels: list[float], outcome: Outcome) -> None:
    assert CONFIG.judge(distribution(levels), {}).outcome is outcome


@given(st.lists(st.floats(-120, 0), min_size=1, max_size=30), st.sampled_from(LEVELS_DBFS))
def test_the_silent_share_counts_clips_below_the_middle(levels: list[float], middle: float) -> None:
    config = SilenceConfig(open_dbfs=middle + 1, close_dbfs=middle - 1)
    silent = config.judge(distribution(levels), {}).numbers["silent_share"]
    assert silent == pytest.approx(sum(level < middle for level in levels) / len(levels))
