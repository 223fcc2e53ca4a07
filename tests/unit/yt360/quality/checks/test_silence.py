"""Levels are mean squares of W; hysteresis keeps stretches whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt360.quality.checks.silence import SilenceTest, silence_verdict, sounding_clips
from yt360.quality.thresholds import DEFAULTS
from yt360.quality.verdict import Outcome

RATE_HZ = 1_000
T = DEFAULTS.silence


def test_the_level_of_a_sine_is_its_mean_square() -> None:
    test = SilenceTest(RATE_HZ)
    time_s = np.arange(20 * RATE_HZ) / RATE_HZ
    test.feed((0.1 * np.sin(2 * np.pi * 50 * time_s)).astype(np.float32))
    assert test.clip_levels_dbfs([0, 10], 10) == pytest.approx([-23.01, -23.01], abs=0.01)


def test_levels_do_not_depend_on_how_the_stream_is_cut() -> None:
    sound = np.random.default_rng(0).standard_normal(25_300).astype(np.float32)
    whole, cut = SilenceTest(RATE_HZ), SilenceTest(RATE_HZ)
    whole.feed(sound)
    for piece in np.array_split(sound, 19):
        cut.feed(piece)
    assert cut.clip_levels_dbfs([0, 10, 20], 10) == pytest.approx(
        whole.clip_levels_dbfs([0, 10, 20], 10), abs=1e-5
    )


def test_a_clip_behind_the_end_is_silent() -> None:
    test = SilenceTest(RATE_HZ)
    test.feed(np.ones(5 * RATE_HZ, np.float32))
    inside, half, outside = test.clip_levels_dbfs([0, 0, 60], 10)
    assert inside == half == pytest.approx(-3.01, abs=0.01)
    assert outside == -150


@given(st.lists(st.floats(-120, 0), min_size=1, max_size=30))
def test_clips_clearly_loud_or_silent_are_called_so(levels: list[float]) -> None:
    for level, sounding in zip(levels, sounding_clips(levels), strict=True):
        if level >= T.open_dbfs:
            assert sounding
        if level < T.close_dbfs:
            assert not sounding


def test_between_the_thresholds_a_clip_does_what_the_one_before_did() -> None:
    between = (T.open_dbfs + T.close_dbfs) / 2
    assert sounding_clips([-20, between, between]) == [True, True, True]
    assert sounding_clips([-90, between, -20, between]) == [False, False, True, True]


def test_a_recording_with_one_loud_clip_in_five_is_not_silent() -> None:
    assert silence_verdict([-90, -90, -30, -90, -90]).outcome is Outcome.OK
    assert silence_verdict([-90] * 5).outcome is Outcome.NOT_OK


def test_no_sound_at_all_is_not_decided() -> None:
    assert silence_verdict([]).outcome is Outcome.UNSURE
