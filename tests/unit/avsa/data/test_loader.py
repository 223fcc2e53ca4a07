from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.changed_clips import ChangedClips
from helpers.errors import user_error

from avsa.data.loader import DataConfig, Loader
from avsa.data.order import SequentialOrder
from avsa.data.training_order import TrainingOrder
from yt360.shards.format.reader import ShardReader

SMALL = DataConfig(num_workers=2)


@pytest.fixture
def clips(tiny_dataset):
    return ShardReader(tiny_dataset, "train")


@pytest.fixture
def order(clips):
    return TrainingOrder(clips.video_ids, 4, seed=0)


def take(loader, first_step, count):
    """Return copies of some batches, whose memory would be used again."""
    return [
        replace(
            raw,
            luma=raw.luma.clone(),
            chroma=raw.chroma.clone(),
            audio=raw.audio.clone(),
            wait_s=0.0,
        )
        for raw in islice(loader.batches(first_step), count)
    ]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert (a.keys, a.positions, a.audio_start_s, a.epoch, a.step) == (
            b.keys, b.positions, b.audio_start_s, b.epoch, b.step,
        )  # fmt: skip
        for name in ("luma", "chroma", "audio"):
            assert torch.equal(getattr(a, name), getattr(b, name))


def test_a_batch_has_the_shapes_of_the_plan(clips, order):
    (raw,) = take(Loader(clips, order, SMALL, 0), 0, 1)
    assert raw.luma.shape == (4, 8, 64, 128) and raw.luma.dtype == torch.uint8
    assert raw.chroma.shape == (4, 2, 8, 32, 64)
    assert raw.audio.shape == (4, 4, 24000) and raw.audio.dtype == torch.int16
    assert raw.keys == [clips.keys[draw.clip] for draw in order.batch(0)]
    assert raw.positions == [0, 1, 2, 3]


def test_video_is_in_the_middle_of_its_audio(clips, order):
    # The clips of the fixture carry their own clocks: frame t has mean luma 40 + 3 t, and sample n
    # of W is n (mod 32768).
    for raw in take(Loader(clips, order, SMALL, 0), 0, 4):
        for row in range(4):
            frame = (raw.luma[row].float().mean((1, 2)) - 40) / 3
            assert torch.allclose(frame - frame[0], torch.arange(8.0), atol=0.3)
            first_frame = round(frame[0].item())
            first_sample = raw.audio_start_s[row] * 24000
            assert raw.audio[row, 0, 0].item() == first_sample % 32768
            assert raw.audio[row, 0, -1].item() == (first_sample + 23999) % 32768
            assert first_frame / 16 == raw.video_start_s[row]
            assert first_frame / 16 + 0.25 == pytest.approx(raw.audio_start_s[row] + 0.5)


def test_video_at_a_random_place_is_aligned_with_its_audio(clips, order):
    config = replace(SMALL, video_position="random")
    leads = set()
    for raw in take(Loader(clips, order, config, 0), 0, 8):
        for row in range(4):
            first_frame = round((raw.luma[row, 0].float().mean().item() - 40) / 3)
            assert first_frame / 16 == raw.video_start_s[row]
            assert raw.audio[row, 0, 0].item() == raw.audio_start_s[row] * 24000 % 32768
            leads.add(raw.video_start_s[row] - raw.audio_start_s[row])
    assert len(leads) > 5 and min(leads) >= 0 and max(leads) <= 0.5


def test_a_batch_can_be_loaded_alone(clips, order):
    loader = Loader(clips, order, SMALL, 0)
    whole = take(loader, 0, 3)
    assert_same(whole[1:], [replace(loader.load(step), wait_s=0.0) for step in (1, 2)])
    again = loader.load(0, buffer=whole[1].buffer)
    assert_same(whole[:1], [replace(again, wait_s=0.0)])
    assert again.luma.data_ptr() == whole[1].buffer.luma.data_ptr()


@pytest.mark.parametrize(
    "config", [DataConfig(num_workers=1), DataConfig(num_workers=5, prefetch_batches=4)]
)
def test_threads_and_prefetching_do_not_change_what_is_loaded(clips, order, config):
    assert_same(
        take(Loader(clips, order, SMALL, 0), 0, 5), take(Loader(clips, order, config, 0), 0, 5)
    )


def test_a_relative_path_is_found_by_processes_that_started_in_another_folder(
    tiny_dataset, clips, order, monkeypatch
):
    expected = take(Loader(clips, order, SMALL, 0), 0, 1)
    monkeypatch.chdir(tiny_dataset.parent)
    relative = ShardReader(Path(tiny_dataset.name), "train")
    assert_same(take(Loader(relative, order, SMALL, 0), 0, 1), expected)


def test_loading_can_start_at_any_step(clips, order):
    whole = take(Loader(clips, order, SMALL, 0), 0, 7)
    assert_same(whole[4:], take(Loader(clips, order, SMALL, 0), 4, 3))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_the_global_batch_without_talking(clips, order, world):
    whole = take(Loader(clips, order, SMALL, 0), 0, 2)
    parts = [take(Loader(clips, order, SMALL, 0, rank, world), 0, 2) for rank in range(world)]
    for step, expected in enumerate(whole):
        assert [key for part in parts for key in part[step].keys] == expected.keys
        assert torch.equal(torch.cat([part[step].luma for part in parts]), expected.luma)
        assert torch.equal(torch.cat([part[step].audio for part in parts]), expected.audio)


def test_seeds_take_other_windows(clips, order):
    first, second = (take(Loader(clips, order, SMALL, seed), 0, 3) for seed in (0, 1))
    assert [raw.audio_start_s for raw in first] != [raw.audio_start_s for raw in second]


def test_windows_of_a_clip_are_neighbours_and_far_apart(clips, order):
    config = replace(SMALL, windows_per_clip=2, window_gap_s=0.75)
    for raw in take(Loader(clips, order, config, 0), 0, 3):
        assert raw.windows_per_clip == 2 and raw.luma.shape[0] == 8
        assert raw.keys[::2] == raw.keys[1::2] and raw.positions[::2] == raw.positions[1::2]
        starts = np.array(raw.audio_start_s).reshape(4, 2)
        assert (abs(starts[:, 0] - starts[:, 1]) >= 0.75).all()


def test_a_sequential_order_ends_with_a_partial_batch(clips):
    batches = take(Loader(clips, SequentialOrder(len(clips), 6), SMALL, 0), 0, 100)
    assert [len(raw.keys) for raw in batches] == [6, 6, 4]
    assert [key for raw in batches for key in raw.keys] == clips.keys


DAMAGE = {
    "garbage": lambda content: bytes(64) + content[64:],
    "truncated": lambda content: content[: len(content) // 2],
    "missing": lambda _: None,
}


@pytest.fixture
def damage(tiny_dataset, tmp_path):
    """Return a function that returns a split in which some members are damaged."""

    def damaged(*bad, member="mp4", kind="garbage"):
        clips = ChangedClips(shutil.copytree(tiny_dataset, tmp_path / "damaged"), "train")
        for clip in bad:
            clips.change(clip, member, DAMAGE[kind])
        return clips

    return damaged


@pytest.mark.parametrize("member", ["mp4", "flac"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_an_unreadable_clip_is_replaced_counted_and_logged(damage, order, member, kind, caplog):
    bad = order.batch(1)[2].clip
    clips = damage(bad, member=member, kind=kind)
    loader = Loader(clips, order, SMALL, 0)
    with caplog.at_level(logging.WARNING):
        batches = take(loader, 0, 8)
    assert all(clips.keys[bad] not in raw.keys for raw in batches)
    assert list(batches[1].unreadable) == [clips.keys[bad]] and not batches[0].unreadable
    replaced = batches[1].keys[2]
    assert replaced == clips.keys[next(iter(order.replacements(order.batch(1)[2])))]
    # Every batch still has as many clips, of different videos.
    assert all(len({key[:7] for key in raw.keys}) == 4 for raw in batches)
    assert list(loader.unreadable) == [clips.keys[bad]] and loader.failed_reads >= 1
    assert caplog.text.count(clips.keys[bad]) == 1
    # And the same again, whatever the ranks and threads.
    for rank in range(2):
        again = take(Loader(clips, order, DataConfig(num_workers=1), 0, rank, 2), 0, 8)
        assert [raw.keys for raw in again] == [raw.keys[2 * rank : 2 * rank + 2] for raw in batches]
        assert bool(again[1].unreadable) == (rank == 1)


def test_a_sequential_order_leaves_unreadable_clips_out(tiny_dataset, damage):
    clips = damage(1, 2, 15)
    loader = Loader(clips, SequentialOrder(len(clips), 4), SMALL, 0)
    batches = take(loader, 0, 10)
    assert [len(raw.keys) for raw in batches] == [2, 4, 4, 3]
    assert [key for raw in batches for key in raw.keys] == [
        key for clip, key in enumerate(clips.keys) if clip not in (1, 2, 15)
    ]
    good = take(Loader(ShardReader(tiny_dataset, "train"), SequentialOrder(16, 4), SMALL, 0), 0, 1)
    assert torch.equal(batches[0].audio, good[0].audio[[0, 3]])
    assert loader.failed_reads == 3


def test_a_split_without_readable_clips_is_an_error(damage, order):
    clips = damage(*range(16), kind="missing")
    with user_error("empty"):
        take(Loader(clips, order, SMALL, 0), 0, 1)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_clips_that_are_too_short_are_left_out(tiny_dataset, batch_size):
    clips = ShardReader(tiny_dataset, "train")
    clips.durations_s = np.array([3.0, 0.9] * 8)
    loader = Loader(clips, SequentialOrder(len(clips), batch_size), SMALL, 0)
    keys = [key for raw in loader.batches() for key in raw.keys]
    assert keys == list(clips.keys)[::2]
    assert all(reason.startswith("too-short") for reason in loader.unreadable.values())
    assert loader.failed_reads == 8


def test_memory_is_bounded_and_used_again(clips, order):
    loader = Loader(clips, order, replace(SMALL, prefetch_batches=2), 0)
    places = {raw.luma.data_ptr() for raw in islice(loader.batches(), 12)}
    assert len(places) <= 3


def test_waiting_is_measured(clips, order):
    loader = Loader(clips, order, SMALL, 0)
    waits = [raw.wait_s for raw in islice(loader.batches(), 3)]
    assert all(wait >= 0 for wait in waits) and sum(waits) > 0


def test_clips_that_are_too_short_are_refused_before_any_work(clips, order):
    with user_error("out-of-range", "data.windows_per_clip"):
        Loader(clips, order, replace(SMALL, windows_per_clip=4), 0)
