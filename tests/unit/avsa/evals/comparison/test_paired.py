"""Differences of models on the same videos."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.errors import user_error

from avsa.evals.comparison.paired import Term, difference, paired_sum


def by_video(values, items=1.0):
    items = np.broadcast_to(items, len(values))
    pairs = zip(values, items, strict=True)
    return {f"v{n}": (float(value), float(each)) for n, (value, each) in enumerate(pairs)}


def made(generator, *, seeds, videos, gain=0.0, seed_spread=0.0):
    """Return two models that share the difficulty of videos; the first is better by `gain`."""
    difficulty = generator.normal(0, 1, videos)
    models = []
    for shift in (gain, 0.0):
        luck = generator.normal(0, seed_spread, seeds)
        noise = generator.normal(0, 0.2, (seeds, videos))
        models.append([by_video(difficulty + shift + luck[s] + noise[s]) for s in range(seeds)])
    return models


def test_the_difference_is_that_of_the_weighted_means():
    first, second = by_video([1, 0, 1], [1, 2, 1]), by_video([0, 0, 1], [1, 2, 1])
    found = difference([first, first], [second, second])
    assert found.value == pytest.approx(2 / 4 - 1 / 4)
    assert found.by_seed == pytest.approx((0.25, 0.25)) and found.videos == 3


def test_swapping_models_changes_the_sign_alone():
    first, second = made(np.random.default_rng(0), seeds=2, videos=40, gain=0.1, seed_spread=0.1)
    there, back = difference(first, second), difference(second, first)
    assert back.value == pytest.approx(-there.value)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p_value() == there.p_value()


def test_equal_models_do_not_differ():
    model = [by_video(np.arange(9.0))]
    found = difference(model, model)
    assert found.value == found.low == found.high == 0 and found.p_value() == 1.0


def test_pairing_finds_what_the_intervals_of_the_models_hide():
    first, second = made(np.random.default_rng(1), seeds=1, videos=100, gain=0.2)
    found = difference(first, second)
    values = np.array([value for value, _ in first[0].values()])
    assert found.low > 0 and found.p_value() < 0.01
    assert found.high - found.low < values.std() * 2 * 1.96 / 10


@pytest.mark.parametrize(("seeds", "seed_spread", "least"), [(1, 0.0, 0.89), (8, 0.1, 0.85)])
def test_intervals_cover_the_truth(seeds, seed_spread, least):
    generator = np.random.default_rng(2)
    inside = 0
    for _ in range(60):
        models = made(generator, seeds=seeds, videos=30, gain=0.3, seed_spread=seed_spread)
        found = difference(*models)
        inside += found.low <= 0.3 <= found.high
    assert least <= inside / 60


def test_the_spread_of_seeds_widens_the_interval():
    videos = np.random.default_rng(3).normal(0, 0.1, 50)
    zero = by_video(np.zeros(50))
    alike = difference([by_video(videos)] * 2, [zero] * 2)
    apart = difference([by_video(videos + 0.2), by_video(videos - 0.2)], [zero] * 2)
    assert apart.value == pytest.approx(alike.value)
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_a_difference_of_differences():
    first, second = made(np.random.default_rng(4), seeds=2, videos=20, gain=0.5)
    zero = [by_video(np.zeros(20))] * 2
    terms = [Term(1, first), Term(-1, zero), Term(-1, second), Term(1, zero)]
    assert paired_sum(terms).value == pytest.approx(difference(first, second).value)


def test_videos_that_one_model_lacks_are_left_out():
    found = difference([by_video([1, 1, 1])], [by_video([0, 0])])
    assert found.videos == 2 and found.value == 1


def test_models_without_common_seeds_or_videos_are_refused():
    one = by_video([1, 2])
    with user_error("conflict"):
        difference([one, one], [one])
    with user_error("conflict"):
        difference([one], [{"other": (1.0, 1.0)}])
