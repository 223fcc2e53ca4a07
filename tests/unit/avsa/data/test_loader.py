from __future__ import annotations

import logging
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from avsa.data.clip_window import Span, draw_moments
from avsa.data.loader import DataConfig, Loader
from avsa.data.sampling import Plan, SequentialPlan
from yt360.errors import BadItem, UserError
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader

SMALL = DataConfig(num_threads=2)


@pytest.fixture
def clips(tiny_dataset):
    return ShardReader(tiny_dataset, "train")


@pytest.fixture
def plan(clips):
    return Plan(clips.video_ids, 4, seed=0)


def take(loader, first_step, count):
    """Return copies of some batches, whose memory would be used again."""
    return [
        replace(
            raw,
            luma=raw.luma.clone(),
            chroma=raw.chroma.clone(),
            sound=raw.sound.clone(),
            wait_s=0.0,
        )
        for raw in islice(loader.batches(first_step), count)
    ]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert (a.keys, a.positions, a.start_s, a.epoch, a.step) == (
            b.keys, b.positions, b.start_s, b.epoch, b.step,
        )  # fmt: skip
        for name in ("luma", "chroma", "sound"):
            assert torch.equal(getattr(a, name), getattr(b, name))


def test_a_batch_has_the_shapes_of_the_plan(clips, plan):
    (raw,) = take(Loader(clips, plan, SMALL, 0), 0, 1)
    assert raw.luma.shape == (4, 8, 64, 128) and raw.luma.dtype == torch.uint8
    assert raw.chroma.shape == (4, 2, 8, 32, 64)
    assert raw.sound.shape == (4, 4, 24000) and raw.sound.dtype == torch.int16
    assert raw.keys == [clips.keys[draw.clip] for draw in plan.batch(0)]
    assert raw.positions == [0, 1, 2, 3]


def test_picture_lies_in_the_middle_of_its_sound(clips, plan):
    # The clips of the fixture carry their own clocks: frame t has mean luma 40 + 3 t, and sample n
    # of W is n (mod 32768).
    for raw in take(Loader(clips, plan, SMALL, 0), 0, 4):
        for row in range(4):
            frame = (raw.luma[row].float().mean((1, 2)) - 40) / 3
            assert torch.allclose(frame - frame[0], torch.arange(8.0), atol=0.3)
            first_frame = round(frame[0].item())
            first_sample = raw.start_s[row] * 24000
            assert raw.sound[row, 0, 0].item() == first_sample % 32768
            assert raw.sound[row, 0, -1].item() == (first_sample + 23999) % 32768
            assert first_frame / 16 == raw.video_start_s[row]
            assert first_frame / 16 + 0.25 == pytest.approx(raw.start_s[row] + 0.5)


def test_a_picture_anywhere_in_its_sound_is_still_in_step(clips, plan):
    config = replace(SMALL, video_position="random")
    leads = set()
    for raw in take(Loader(clips, plan, config, 0), 0, 8):
        for row in range(4):
            first_frame = round((raw.luma[row, 0].float().mean().item() - 40) / 3)
            assert first_frame / 16 == raw.video_start_s[row]
            assert raw.sound[row, 0, 0].item() == raw.start_s[row] * 24000 % 32768
            leads.add(raw.video_start_s[row] - raw.start_s[row])
    assert len(leads) > 5 and min(leads) >= 0 and max(leads) <= 0.5


def test_a_batch_can_be_loaded_alone(clips, plan):
    loader = Loader(clips, plan, SMALL, 0)
    whole = take(loader, 0, 3)
    assert_same(whole[1:], [replace(loader.load(step), wait_s=0.0) for step in (1, 2)])
    again = loader.load(0, buffer=whole[1].buffer)
    assert_same(whole[:1], [replace(again, wait_s=0.0)])
    assert again.luma.data_ptr() == whole[1].buffer.luma.data_ptr()


@pytest.mark.parametrize(
    "config", [DataConfig(num_threads=1), DataConfig(num_threads=5, prefetch_batches=4)]
)
def test_threads_and_prefetching_do_not_change_what_is_loaded(clips, plan, config):
    assert_same(
        take(Loader(clips, plan, SMALL, 0), 0, 5), take(Loader(clips, plan, config, 0), 0, 5)
    )


def test_loading_can_start_at_any_step(clips, plan):
    whole = take(Loader(clips, plan, SMALL, 0), 0, 7)
    assert_same(whole[4:], take(Loader(clips, plan, SMALL, 0), 4, 3))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_the_global_batch_without_talking(clips, plan, world):
    whole = take(Loader(clips, plan, SMALL, 0), 0, 2)
    parts = [take(Loader(clips, plan, SMALL, 0, rank, world), 0, 2) for rank in range(world)]
    for step, expected in enumerate(whole):
        assert [key for part in parts for key in part[step].keys] == expected.keys
        assert torch.equal(torch.cat([part[step].luma for part in parts]), expected.luma)
        assert torch.equal(torch.cat([part[step].sound for part in parts]), expected.sound)


def test_seeds_take_other_moments(clips, plan):
    first, second = (take(Loader(clips, plan, SMALL, seed), 0, 3) for seed in (0, 1))
    assert [raw.start_s for raw in first] != [raw.start_s for raw in second]


def test_moments_of_a_clip_are_neighbours_and_far_apart(clips, plan):
    config = replace(SMALL, windows_per_clip=2, window_gap_s=0.75)
    for raw in take(Loader(clips, plan, config, 0), 0, 3):
        assert raw.moments == 2 and raw.luma.shape[0] == 8
        assert raw.keys[::2] == raw.keys[1::2] and raw.positions[::2] == raw.positions[1::2]
        starts = np.array(raw.start_s).reshape(4, 2)
        assert (abs(starts[:, 0] - starts[:, 1]) >= 0.75).all()


def test_a_sequential_plan_ends_with_a_partial_batch(clips):
    batches = take(Loader(clips, SequentialPlan(len(clips), 6), SMALL, 0), 0, 100)
    assert [len(raw.keys) for raw in batches] == [6, 6, 4]
    assert [key for raw in batches for key in raw.keys] == clips.keys


class Damaged(ShardReader):
    """A split in which some members are damaged."""

    def damage(self, *clips, member="mp4", kind="garbage"):
        self.bad, self.member, self.kind = set(clips), member, kind
        return self

    def read(self, clip, member):
        content = super().read(clip, member)
        if clip not in self.bad or member != self.member:
            return content
        if self.kind == "missing":
            raise BadItem("shard-unreadable", "the shard is gone")
        if self.kind == "truncated":
            return content[: len(content) // 2]
        return memoryview(bytes(64) + bytes(content[64:]))


@pytest.mark.parametrize("member", ["mp4", "flac"])
@pytest.mark.parametrize("kind", ["garbage", "truncated", "missing"])
def test_an_unreadable_clip_is_replaced_counted_and_told_of(
    tiny_dataset, plan, member, kind, caplog
):
    bad = plan.batch(1)[2].clip
    clips = Damaged(tiny_dataset, "train").damage(bad, member=member, kind=kind)
    loader = Loader(clips, plan, SMALL, 0)
    with caplog.at_level(logging.WARNING):
        batches = take(loader, 0, 8)
    assert all(clips.keys[bad] not in raw.keys for raw in batches)
    replaced = batches[1].keys[2]
    assert replaced == clips.keys[next(iter(plan.replacements(plan.batch(1)[2])))]
    # Every batch still has as many clips, of different videos.
    assert all(len({key[:7] for key in raw.keys}) == 4 for raw in batches)
    assert list(loader.unreadable) == [clips.keys[bad]] and loader.failed_reads >= 1
    assert caplog.text.count(clips.keys[bad]) == 1
    # And the same again, whatever the ranks and threads.
    for rank in range(2):
        again = take(Loader(clips, plan, DataConfig(num_threads=1), 0, rank, 2), 0, 8)
        assert [raw.keys for raw in again] == [raw.keys[2 * rank : 2 * rank + 2] for raw in batches]


def test_a_sequential_plan_leaves_unreadable_clips_out(tiny_dataset):
    clips = Damaged(tiny_dataset, "train").damage(1, 2, 15)
    loader = Loader(clips, SequentialPlan(len(clips), 4), SMALL, 0)
    batches = take(loader, 0, 10)
    assert [len(raw.keys) for raw in batches] == [2, 4, 4, 3]
    assert [key for raw in batches for key in raw.keys] == [
        key for clip, key in enumerate(clips.keys) if clip not in (1, 2, 15)
    ]
    good = take(Loader(ShardReader(tiny_dataset, "train"), SequentialPlan(16, 4), SMALL, 0), 0, 1)
    assert torch.equal(batches[0].sound, good[0].sound[[0, 3]])
    assert loader.failed_reads == 3


def test_nothing_readable_stops_with_one_clip_as_example(tiny_dataset, plan):
    clips = Damaged(tiny_dataset, "train").damage(*range(16), kind="missing")
    with pytest.raises(UserError, match=r"^16 clips cannot .* first is video.*the shard is gone"):
        take(Loader(clips, plan, SMALL, 0), 0, 1)


def test_memory_is_bounded_and_used_again(clips, plan):
    loader = Loader(clips, plan, replace(SMALL, prefetch_batches=2), 0)
    places = {raw.luma.data_ptr() for raw in islice(loader.batches(), 12)}
    assert len(places) <= 3


def test_waiting_is_measured(clips, plan):
    loader = Loader(clips, plan, SMALL, 0)
    waits = [raw.wait_s for raw in islice(loader.batches(), 3)]
    assert all(wait >= 0 for wait in waits) and loader.wait_s == pytest.approx(sum(waits))
    assert loader.wait_s > 0


def test_clips_that_are_too_short_are_refused_before_any_work(clips, plan):
    with pytest.raises(
        UserError, match=r"longest clip.* 3 s has no room for 4 moments.*data.windows_per_clip"
    ):
        Loader(clips, plan, replace(SMALL, windows_per_clip=4), 0)


SPAN = Span(frames=8, samples=24000, fps=16, sample_rate_hz=24000)


def test_moments_cover_all_of_a_clip_and_nothing_else():
    moments = [
        moment
        for i in range(400)
        for moment in draw_moments(SPAN, 3.0, 1, 0.0, keyed_generator("m", i))
    ]
    assert {moment.frame for moment in moments} == set(range(4, 37))
    assert all(moment.sample == SPAN.first_sample(moment.frame) for moment in moments)
    assert SPAN.first_sample(4) == 0 and SPAN.first_sample(36) + 24000 == 72000


@pytest.mark.parametrize("count", [2, 3, 5])
def test_moments_keep_their_distance(count):
    for i in range(50):
        moments = draw_moments(SPAN, 10.0, count, 1.5, keyed_generator("m", i))
        firsts = sorted(moment.frame for moment in moments)
        assert len(firsts) == count and (np.diff(firsts) >= 24).all()
        assert firsts[0] >= 4 and firsts[-1] <= 148


def test_a_picture_at_random_lies_anywhere_inside_its_sound_and_on_whole_frames():
    span = replace(SPAN, video_position="random")
    places = set()
    for i in range(300):
        (moment,) = draw_moments(span, 3.0, 1, 0.0, keyed_generator("m", i))
        (plain,) = draw_moments(SPAN, 3.0, 1, 0.0, keyed_generator("m", i))
        assert moment.sample == plain.sample  # the sound is that of a picture in the middle
        places.add(moment.frame * 1500 - moment.sample)
    assert places == {1500 * frame for frame in range(9)}  # 0 to 0.5 s in steps of a frame


def test_a_picture_as_long_as_its_sound_has_one_place():
    span = replace(SPAN, frames=16, video_position="random")
    for i in range(20):
        (moment,) = draw_moments(span, 3.0, 1, 0.0, keyed_generator("m", i))
        assert moment.frame * 1500 == moment.sample


def test_moments_that_find_no_room_are_refused():
    with pytest.raises(BadItem, match="no room for 4 moments that start 1 s apart"):
        draw_moments(SPAN, 3.0, 4, 1.0, keyed_generator("m"))
