from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from helpers.errors import user_error
from hypothesis import given, settings
from hypothesis import strategies as st

from avsa.data.order import rank_part
from avsa.data.training_order import SamplingConfig, TrainingOrder


def video_ids(clips_per_video):
    return [f"v{i}" for i, count in enumerate(clips_per_video) for _ in range(count)]


def epoch_clips(order, epoch):
    steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
    return [draw.clip for step in steps for draw in order.batch(step)]


# Videos of very different lengths, as in real collections.
UNEVEN = [1, 1, 2, 3, 5, 8, 13, 2, 4, 1, 6, 3]


@pytest.mark.parametrize("sampling", ["video", "clip"])
@pytest.mark.parametrize("window_shards", [0, 2])
@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(1, 9), min_size=4, max_size=30),
    batch_size=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_no_batch_holds_two_clips_of_a_video(sampling, window_shards, counts, batch_size, seed):
    ids = video_ids(counts)
    config = SamplingConfig(unit=sampling, window_shards=window_shards, draws_per_video=2)
    order = TrainingOrder(ids, batch_size, seed, config, shards=np.arange(len(ids)) // 5)
    for step in range(2 * order.steps_per_epoch):
        videos = [ids[draw.clip] for draw in order.batch(step)]
        assert len(set(videos)) == len(videos) == batch_size


@pytest.mark.parametrize("world", [1, 2, 3, 4, 6, 12])
def test_the_parts_of_all_ranks_are_the_same_global_batch(world):
    order = TrainingOrder(video_ids(UNEVEN), 12, 3)
    for step in range(5):
        parts = [
            rank_part(TrainingOrder(video_ids(UNEVEN), 12, 3).batch(step), r, world)
            for r in range(world)
        ]
        assert [draw for part in parts for draw in part] == order.batch(step)
        assert {len(part) for part in parts} == {12 // world}


def test_any_step_can_come_first():
    order = TrainingOrder(video_ids(UNEVEN), 4, 0)
    expected = [order.batch(step) for step in range(40)]
    for step in (39, 0, 17, 17, 3):
        assert TrainingOrder(video_ids(UNEVEN), 4, 0).batch(step) == expected[step]
        assert order.batch(step) == expected[step]


def test_positions_count_the_samples_of_the_run():
    order = TrainingOrder(video_ids(UNEVEN), 5, 0)
    positions = [draw.position for step in range(7) for draw in order.batch(step)]
    assert positions == list(range(35))


def test_seeds_and_epochs_give_different_orders():
    ids = video_ids([4] * 40)
    first = epoch_clips(TrainingOrder(ids, 8, 0), 0)
    assert first != epoch_clips(TrainingOrder(ids, 8, 0), 1)
    assert first != epoch_clips(TrainingOrder(ids, 8, 1), 0)


def test_video_sampling_draws_each_video_equally_often():
    ids = video_ids(UNEVEN)
    order = TrainingOrder(ids, 4, 0, SamplingConfig(draws_per_video=3))
    for epoch in range(3):
        drawn = Counter(ids[clip] for clip in epoch_clips(order, epoch))
        assert set(drawn.values()) == {3} and len(drawn) == len(UNEVEN)


def test_an_epoch_is_as_long_as_the_published_one():
    # YT-360's training split: 73,635 clips of 4,506 videos, 144,192 draws an epoch.
    ids = np.sort(np.arange(73_635) % 4_506).astype(str)
    for batch_size, steps in ((112, 64_350), (28, 257_450)):
        order = TrainingOrder(ids, batch_size, 0)
        assert order.config.draws(73_635, 4_506) == 32
        assert 50 * order.steps_per_epoch == steps
        assert 0 <= 144_192 - order.steps_per_epoch * batch_size < batch_size


@settings(max_examples=25)
@given(counts=st.lists(st.integers(1, 9), min_size=4, max_size=20))
def test_an_epoch_draws_each_video_twice_its_mean_number_of_clips_or_as_often_as_told(counts):
    ids = video_ids(counts)
    for told, draws in ((None, 2 * (len(ids) // len(counts))), (3, 3)):
        order = TrainingOrder(ids, 1, 0, SamplingConfig(draws_per_video=told))
        drawn = Counter(ids[clip] for clip in epoch_clips(order, 0))
        assert drawn == dict.fromkeys(ids, draws)


def test_video_sampling_draws_every_clip_of_a_video_alike():
    ids = video_ids([8, 1, 1, 1])
    order = TrainingOrder(ids, 4, 0, SamplingConfig(draws_per_video=1))
    drawn = Counter(clip for epoch in range(800) for clip in epoch_clips(order, epoch))
    assert all(70 < drawn[clip] < 130 for clip in range(8))


def test_a_video_gives_different_clips_before_any_comes_again():
    ids = video_ids([3] * 6)
    order = TrainingOrder(ids, 2, 0, SamplingConfig(draws_per_video=3))
    assert Counter(epoch_clips(order, 0)) == Counter(range(18))


def test_clip_sampling_draws_each_clip_once():
    order = TrainingOrder(video_ids([3] * 8), 4, 0, SamplingConfig(unit="clip"))
    assert sorted(epoch_clips(order, 0)) == list(range(24))


def test_clips_that_sit_out_are_counted_and_change():
    ids = video_ids(UNEVEN)
    order = TrainingOrder(ids, 4, 0, SamplingConfig(unit="clip"))
    seen = [set(epoch_clips(order, epoch)) for epoch in range(30)]
    in_an_epoch = 4 * order.steps_per_epoch
    assert {len(clips) for clips in seen} == {in_an_epoch}
    assert len(ids) - 4 < in_an_epoch < len(ids) and set.union(*seen) == set(range(len(ids)))


@pytest.mark.parametrize("sampling", ["video", "clip"])
def test_a_window_keeps_few_shards_in_use(sampling):
    ids, shards = video_ids([2] * 400), np.arange(800) // 40
    config = SamplingConfig(unit=sampling, window_shards=3, draws_per_video=1)
    order = TrainingOrder(ids, 8, 0, config, shards=shards)
    per_shard = 40 if sampling == "clip" else 20
    reach = 3 * per_shard // 8
    for step in range(0, order.steps_per_epoch - reach, reach):
        window = [draw.clip for s in range(step, step + reach) for draw in order.batch(s)]
        # About three shards at a time; twice that where two windows meet.
        assert len(set(shards[window])) <= 8
    spread = {shards[draw.clip] for draw in TrainingOrder(ids, 8, 0).batch(0)}
    assert len(spread) > 3


def test_a_window_needs_the_shards():
    with pytest.raises(ValueError, match="shard number"):
        TrainingOrder(["a", "b"], 1, 0, SamplingConfig(window_shards=2))


def test_fewer_videos_than_a_batch_are_refused_with_the_numbers():
    with user_error("out-of-range", "batch_size"):
        TrainingOrder(video_ids([1, 2, 3]), 9, 0)


def test_replacements_of_all_slots_keep_videos_apart():
    ids = video_ids(UNEVEN)
    order = TrainingOrder(ids, 4, 0)
    for step in range(10):
        draws = order.batch(step)
        in_batch = {ids[draw.clip] for draw in draws}
        reachable = [{ids[clip] for clip in order.replacements(draw)} for draw in draws]
        for draw, videos in zip(draws, reachable, strict=True):
            assert videos & in_batch <= {ids[draw.clip]}
        for i in range(4):
            for j in range(i):
                assert not reachable[i] & reachable[j]


def test_replacements_begin_with_the_same_video_and_repeat_nothing():
    ids = video_ids([4] * 9)
    order = TrainingOrder(ids, 3, 0)
    draw = order.batch(5)[1]
    clips = list(order.replacements(draw))
    assert [ids[clip] for clip in clips[:3]] == [ids[draw.clip]] * 3
    assert len(set(clips)) == len(clips) and draw.clip not in clips
    assert clips == list(TrainingOrder(ids, 3, 0).replacements(draw))
