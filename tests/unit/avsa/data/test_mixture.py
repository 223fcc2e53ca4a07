"""Weights of datasets: how an epoch shares its draws out."""

from collections import Counter

import numpy as np
import pytest
from helpers.errors import user_error
from hypothesis import given, settings
from hypothesis import strategies as st

from avsa.data.mixture import Mixture, shared_out
from avsa.data.training_order import SamplingConfig, TrainingOrder
from yt360.errors import UserError


def collection(*counts):
    """Return video and dataset of each clip, for clips per video of each dataset."""
    ids, datasets = [], []
    for number, videos in enumerate(counts):
        for name, clips in videos.items():
            ids += [name] * clips
            datasets += [number] * clips
    return ids, np.array(datasets)


def videos(prefix, counts):
    return {f"{prefix}{number}": count for number, count in enumerate(counts)}


def epoch(order, number=0):
    steps = range(number * order.steps_per_epoch, (number + 1) * order.steps_per_epoch)
    return [[draw.clip for draw in order.batch(step)] for step in steps]


BOTH = collection(videos("a", [2] * 20), videos("b", [3] * 10))


@given(st.integers(0, 1000), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_shares_have_the_right_sum_and_are_less_than_one_from_exact(total, weights):
    fractions = [weight / sum(weights) for weight in weights]
    shares = shared_out(total, fractions)
    assert sum(shares) == total
    assert all(
        abs(share - total * fraction) < 1 for share, fraction in zip(shares, fractions, strict=True)
    )


@pytest.mark.parametrize("unit", ["video", "clip"])
@pytest.mark.parametrize("window_shards", [0, 6])
@settings(max_examples=10)
@given(
    first=st.lists(st.integers(1, 2), min_size=8, max_size=12),
    second=st.lists(st.integers(1, 2), min_size=8, max_size=12),
    common=st.integers(0, 3),
    weights=st.sampled_from([(1, 1), (1, 2), (3, 2)]),
    seed=st.integers(0, 3),
)
def test_batches_are_full_of_different_videos_and_an_epoch_has_the_weights(
    unit, window_shards, first, second, common, weights, seed
):
    shared = {f"b{number}": 1 for number in range(common)}  # videos that both datasets have
    ids, datasets = collection(videos("a", first) | shared, videos("b", second))
    config = SamplingConfig(
        unit=unit, weights=weights, draws_per_video=3, window_shards=window_shards
    )
    shards = np.arange(len(ids)) // 4
    order = TrainingOrder(ids, 4, seed, config, shards, datasets)
    for number in range(2):
        batches = epoch(order, number)
        for clips in batches:
            assert len({ids[clip] for clip in clips}) == len(clips) == 4
        drawn = Counter(datasets[clip] for clips in batches for clip in clips)
        total = 4 * order.steps_per_epoch
        assert abs(drawn[0] - total * weights[0] / sum(weights)) < 1


def test_videos_of_a_dataset_are_drawn_equally_often_and_its_surplus_changes():
    ids, datasets = BOTH
    config = SamplingConfig(weights=(1, 1), draws_per_video=1)
    order = TrainingOrder(ids, 4, 0, config, datasets=datasets)
    extra = []
    for number in range(20):
        drawn = Counter(ids[clip] for clips in epoch(order, number) for clip in clips)
        for prefix in "ab":
            counts = [count for name, count in drawn.items() if name[0] == prefix]
            assert max(counts) - min(counts) <= 1 and sum(counts) == 14
        extra.append(frozenset(name for name, count in drawn.items() if count > 1))
    assert len(set(extra)) > 1


def test_any_step_can_come_first_with_weights():
    ids, datasets = BOTH
    config = SamplingConfig(weights=(3, 1))
    order = TrainingOrder(ids, 4, 5, config, datasets=datasets)
    expected = [order.batch(step) for step in range(60)]
    for step in (59, 0, 31):
        assert TrainingOrder(ids, 4, 5, config, datasets=datasets).batch(step) == expected[step]


def test_without_weights_the_order_is_that_of_one_dataset():
    ids, datasets = BOTH
    for config in (SamplingConfig(), SamplingConfig(unit="clip")):
        joined = TrainingOrder(ids, 4, 0, config, datasets=datasets)
        assert epoch(joined) == epoch(TrainingOrder(ids, 4, 0, config))


def test_the_greatest_weight_that_fits_uses_every_video_in_every_batch():
    ids, datasets = collection(videos("a", [1] * 12), videos("b", [1] * 4))
    order = TrainingOrder(
        ids, 8, 0, SamplingConfig(weights=(1, 1), draws_per_video=3), datasets=datasets
    )
    for clips in epoch(order):
        assert {ids[clip] for clip in clips} >= {"b0", "b1", "b2", "b3"}


def test_weights_that_need_more_videos_than_there_are_are_refused():
    ids, datasets = collection(videos("a", [1] * 12), videos("b", [1] * 4))
    with user_error("out-of-range", "sampling.weights"):
        TrainingOrder(ids, 8, 0, SamplingConfig(weights=(1, 1.2)), datasets=datasets)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0)])
def test_there_is_one_weight_for_each_dataset(weights):
    ids, datasets = BOTH
    with user_error("conflict", "sampling.weights"):
        TrainingOrder(ids, 4, 0, SamplingConfig(weights=weights), datasets=datasets)


def test_several_weights_need_several_datasets():
    with user_error("conflict", "sampling.weights"):
        Mixture([1, 1], np.zeros(4, int), np.arange(4), "video")


@pytest.mark.parametrize("weight", [0, -1.0, float("inf"), float("nan")])
def test_weights_are_above_zero(weight):
    with pytest.raises(UserError):
        SamplingConfig(weights=(1.0, weight))
