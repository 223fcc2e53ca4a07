"""Seconds in are seconds kept and seconds lost for a reason, whatever is cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt360.clips import TimeRange, allocate_time
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.clip_selection import clip_level, select_clips
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo
from yt360.shards.builder.new_clips import find_new_clips
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.staging import InputAnalysis
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index import index_table
from yt360.splits import SPLITS

SIXTEENTHS = st.integers(0, 900).map(lambda count: count / 16)  # exact in floating point
SLACK_S = 0.25
LENGTHS = st.one_of(st.integers(1, 25).map(float), st.integers(2, 50).map(lambda n: n / 2))
STRETCHES = st.builds(TimeRange, SIXTEENTHS, SIXTEENTHS)


@st.composite
def files(draw) -> tuple[TimeRange, tuple[TimeRange, ...] | None, np.ndarray, int]:
    """Return what a file covers, the listed clips, the levels of its seconds and its start."""
    covered = TimeRange(draw(SIXTEENTHS), draw(st.integers(1, 1200)) / 16)
    file_start_s = draw(st.integers(0, 30))
    listed = None
    if draw(st.booleans()):
        clips = st.builds(TimeRange, st.integers(0, 120), LENGTHS)
        listed = tuple(draw(st.lists(clips, max_size=8, unique_by=lambda clip: clip.start_s)))
    levels = st.sampled_from([-20.0, -20.0, -20.0, -200.0, np.nan])
    seconds = int(np.ceil(covered.end_s))
    return (
        covered,
        listed,
        np.array(draw(st.lists(levels, min_size=seconds, max_size=seconds))),
        file_start_s,
    )


def cuts_of(file, clip_s: int):
    covered, listed, levels, file_start_s = file
    return select_clips(
        covered, listed, levels,
        file_start_s=file_start_s, clip_s=clip_s, min_level_dbfs=-60.0, slack_s=SLACK_S,
    )  # fmt: skip


@settings(max_examples=200)
@given(STRETCHES, st.lists(STRETCHES, max_size=8))
def test_a_stretch_is_shared_out_without_loss(whole, claims):
    shares, rest = allocate_time(whole, claims)
    assert sum(shares) + sum(part.duration_s for part in rest) == pytest.approx(whole.duration_s)
    assert min(shares, default=0) >= 0
    assert all(before.end_s <= after.start_s for before, after in pairwise(rest))
    assert all(part.end_s <= c.start_s or c.end_s <= part.start_s for part in rest for c in claims)


@settings(max_examples=150)
@given(st.lists(files(), min_size=1, max_size=3), st.integers(1, 20))
def test_seconds_in_are_seconds_kept_and_seconds_lost(several, clip_s):
    """Several files of one video, with lists or without, before and after admission."""
    items, plans, covered_s = [], {}, 0.0
    for number, file in enumerate({file[3]: file for file in several}.values()):
        covered, listed, _, file_start_s = file
        item = InputVideo(
            video_id="video", video=Path("v.mp4"), name=str(number), start_s=file_start_s,
            segments=listed,
        )  # fmt: skip
        cuts = cuts_of(file, clip_s)
        # What a clip may reach past either end is filled up.
        assert covered.duration_s <= cuts.covered_s <= covered.duration_s + 2 * SLACK_S
        assert all(loss.lost_s >= 0 and loss.reason and loss.detail for loss in cuts.lost)
        rejected = tuple(
            item.reject(loss.reason, loss.detail, "", loss.start_s, loss.lost_s)
            for loss in cuts.lost
        )
        items.append(item)
        plans[item.key] = InputAnalysis("", cuts.clips, rejected)
        covered_s += cuts.covered_s
    empty = {split: index_table(()) for split in SPLITS}
    items.sort(key=lambda item: item.file_id)
    admitted = find_new_clips(items, plans, empty, BuildOptions(), items, {})
    kept = sorted(clip.time_range for each in admitted for clip in each.clips)
    assert all(before.end_s <= after.start_s for before, after in pairwise(kept))
    kept_s = sum(clip.duration_s for clip in kept)
    lost_s = sum(loss.lost_s for each in admitted for loss in each.rejected)
    assert kept_s + lost_s == pytest.approx(covered_s, abs=1e-4)


@settings(max_examples=100)
@given(files(), st.integers(1, 20))
def test_kept_clips_are_those_of_the_list_at_their_own_lengths(file, clip_s):
    covered, listed, levels, file_start_s = file
    cuts = cuts_of(file, clip_s)
    kept = {clip.time_range for clip in cuts.clips}
    if listed is None:
        assert {clip.duration_s for clip in kept} <= {clip_s}
        return
    sounding = {
        clip
        for clip in listed
        if covered.start_s - SLACK_S <= clip.start_s - file_start_s
        and clip.start_s >= file_start_s
        and clip.end_s - file_start_s <= covered.end_s + SLACK_S
        and clip_level(levels, clip.start_s - file_start_s, clip.duration_s) >= -60
    }
    assert kept == sounding


@pytest.mark.parametrize(("clip_s", "kept_s", "rest_s"), [(5, 35, 2), (10, 30, 7), (20, 20, 17)])
def test_clips_of_any_length_leave_the_rest_of_a_file_as_a_remainder(clip_s, kept_s, rest_s):
    cuts = select_clips(
        TimeRange(0.0, 37.0), None, np.full(37, -20.0), clip_s=clip_s, min_level_dbfs=-60.0
    )
    assert sum(clip.duration_s for clip in cuts.clips) == kept_s
    assert [(loss.reason, loss.lost_s) for loss in cuts.lost] == [("remainder", rest_s)]


def test_the_level_of_a_part_of_a_second_is_that_of_the_second():
    assert clip_level(np.full(3, -20.0), 0.0, 2.5) == pytest.approx(-20.0)


def test_a_build_balances(fake, tmp_path):
    """Files of every kind: the dataset accounts for every second that they cover."""
    media, seconds = tmp_path / "m", 0.0
    for name, duration_s, facts in (
        ("plain", 35.0, {}),
        ("late", 40.5, {"starts_at": 3.5}),
        ("silent", 35.0, {"silent": list(range(35))}),
        ("pauses", 75.0, {"silent": [*range(10, 30)]}),
        ("holes", 75.0, {"bad": [20, 40]}),
        ("short", 7.0, {}),
    ):
        fake.write(media / f"{name}.mp4", duration_s, **facts)
        seconds += duration_s - facts.get("starts_at", 0.0)
    fake.write(media / "flat.mp4", reason="not-360")
    info = fake.build(media, tmp_path / "data").info
    assert info.covered_s == pytest.approx(seconds)
    assert info.clips_s > 0 and info.lost_s > 0
    assert [each.file for each in info.rejected if each.lost_s is None] == ["flat.mp4"]
    assert DatasetInfo.load(tmp_path / "data") == info
    listed = info.to_json()["lost_s_by_reason"]
    assert sum(listed.values()) == pytest.approx(info.lost_s)
    assert {"remainder", "silent", "corrupt", "too-short"} <= listed.keys()


def test_clips_of_different_lengths_go_into_one_dataset_without_overlap(fake, tmp_path):
    file = fake.write(tmp_path / "m" / "v.mp4", 40)
    listed = (TimeRange(0, 4.0), TimeRange(3, 10.0), TimeRange(4, 7.0), TimeRange(20, 20.0))
    item = InputVideo(video_id="v", video=file, name="v.mp4", segments=listed, split="train")
    more = replace(
        item, start_s=30, name="w.mp4", segments=(TimeRange(35, 5.0), TimeRange(40, 5.0))
    )
    found = FoundInputs((item, more), (), 0)
    info = build_shards(found, tmp_path / "data", fake.options, make_pool=fake.pool).info
    assert fake.keys(tmp_path / "data")["train"] == ["v-00000", "v-00004", "v-00020", "v-00040"]
    assert info.clips_s == 4 + 7 + 20 + 5
    assert info.covered_s == 80
    assert fake.faults(tmp_path / "data") == []
