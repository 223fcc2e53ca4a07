"""Clipping, duration, timeline, quantiles, verdicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality.hot import make_hot

from yt360.quality.checks.clipping import ClippingTest
from yt360.quality.checks.duration import Span, duration_verdict
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import Outcome, judge, probability_above
from yt360.randomness import keyed_generator


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clipped", [True, False])
def test_clipping_is_told_from_loudness(seed: int, clipped: bool) -> None:
    test = ClippingTest(4)
    sound = make_hot(keyed_generator(seed, "hot"), clipped, 3.0, 24_000).astype(np.float32)
    for piece in np.array_split(sound, 5, axis=1):
        test.feed(piece)
    verdict = test.verdict()
    assert verdict.outcome is (Outcome.NOT_OK if clipped else Outcome.OK)


def test_the_worst_channel_counts() -> None:
    rng = np.random.default_rng(0)
    sound = 0.05 * rng.standard_normal((4, 48_000))
    sound[2] = np.clip(40 * sound[2], -1, 1)
    test = ClippingTest(4)
    test.feed(sound.astype(np.float32))
    verdict = test.verdict()
    assert verdict.reason == "clipped"
    assert verdict.numbers["worst_channel"] == 2


@pytest.mark.parametrize(
    ("picture", "sound", "reason"),
    [
        (Span(0, 60), Span(0, 60.1), "equal"),
        (Span(0, 60), Span(0, 40), "sound-shorter"),
        (Span(0, 60), Span(0, 75), "sound-longer"),
        (Span(0, 60), Span(5, 60), "starts-differ"),
        (Span(0, 60, declared_s=120), Span(0, 60, declared_s=120), "truncated"),
    ],
)
def test_durations_are_compared_at_both_ends(picture: Span, sound: Span, reason: str) -> None:
    verdict = duration_verdict(picture, sound)
    assert verdict.reason == reason
    assert verdict.outcome is (Outcome.OK if reason == "equal" else Outcome.NOT_OK)


def test_a_missing_stream_is_named() -> None:
    assert duration_verdict(Span(0, 1), None).reason == "no-sound"
    assert duration_verdict(None, Span(0, 1)).reason == "no-picture"


@given(st.integers(0, 500), st.integers(2, 40))
def test_a_timeline_covers_everything_evenly_in_bounded_space(count: int, most: int) -> None:
    timeline = Timeline(most, 1)
    for value in range(count):
        timeline.add((value,))
    kept = timeline.rows[:, 0]
    assert len(kept) <= most
    assert list(kept) == list(range(0, count, timeline.stride))


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 5)), min_size=1, max_size=30),
    st.floats(0.01, 1),
)
def test_a_weighted_quantile_is_that_of_repeated_values(
    pairs: list[tuple[int, int]], quantile: float
) -> None:
    values, weights = zip(*pairs, strict=True)
    repeated = np.sort(np.repeat(values, weights))
    expected = repeated[int(np.ceil(quantile * len(repeated) - 1e-9)) - 1]
    assert weighted_quantile(values, weights, quantile) == expected


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.01, 10))
def test_probability_grows_with_the_value(value: float, threshold: float, soft: float) -> None:
    low, high = (probability_above(v, threshold, soft) for v in (value, value + soft))
    assert 0 <= low <= high <= 1
    assert probability_above(threshold, threshold, soft) == 0.5


def test_verdicts_as_json_are_plain_and_finite() -> None:
    verdict = judge("x", 0.9, ("good", "bad"), "why", {"a": float("nan"), "b": 1 / 3})
    assert verdict.as_json() == {
        "name": "x", "outcome": "not ok", "defect_probability": 0.9, "reason": "bad",
        "detail": "why", "numbers": {"b": 0.333333},
    }  # fmt: skip
