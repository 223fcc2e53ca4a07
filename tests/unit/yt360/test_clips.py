from __future__ import annotations

from itertools import pairwise
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt360.clips import (
    clip_key,
    clip_starts,
    key_order,
    parse_key,
    parse_yt360_clip_name,
    spread,
    video_id_of,
)

IDS = st.text("-_0aZ9", min_size=1, max_size=12)


@given(IDS, st.integers(0, 10**7))
def test_a_key_parses_back_into_what_it_was_made_of(video_id: str, start_s: int) -> None:
    assert parse_key(clip_key(video_id, start_s)) == (video_id, start_s)


@given(st.tuples(IDS, st.integers(0, 10**6)), st.tuples(IDS, st.integers(0, 10**6)))
def test_different_clips_have_different_keys(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (clip_key(*one) == clip_key(*other)) == (one == other)


@pytest.mark.parametrize(
    "key", ["", "abc", "abc-123", "abc-000010", "a.b-00010", "-00010", "a/b-00010"]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a clip key"):
        parse_key(key)


def test_clips_of_a_video_are_ordered_by_time_past_a_day() -> None:
    keys = [clip_key("-a", start) for start in (0, 10, 99_990, 100_000)]
    assert sorted(keys, key=key_order) == keys


def test_a_released_clip_belongs_to_its_video_and_second() -> None:
    assert parse_yt360_clip_name("kqAZkf5Odyw-80") == ("kqAZkf5Odyw", 80)
    assert parse_yt360_clip_name("-bc_efghi-k-1043") == ("-bc_efghi-k", 1043)
    for other in ("kqAZkf5Odyw", "kqAZkf5Ody-80", "kqAZkf5Odyw-", "kqAZkf5Odyb-80", "a b"):
        assert parse_yt360_clip_name(other) is None


def test_a_plain_name_is_its_id() -> None:
    assert video_id_of(PurePath("calibration.mp4")) == "calibration"
    assert video_id_of(PurePath("-dash_first.webm")) == "-dash_first"
    assert video_id_of(PurePath("scene-0000-0003.mp4")) == "scene-0000-0003"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True))
def test_ids_of_any_names_fit_into_a_key(names: list[str]) -> None:
    for name in names:
        path = PurePath("x" + name.replace("\0", "") + ".mp4")
        video_id = video_id_of(path)
        assert len(video_id) <= 64
        assert parse_key(clip_key(video_id, 0)) == (video_id, 0)


def test_names_that_look_alike_after_replacing_stay_apart() -> None:
    names = ["a b", "a_b", "a/b", "a.b", "a\u00fc", "a\u00f6", "long" * 20, "long" * 20 + "er"]
    assert len({video_id_of(PurePath(f"{name}.mp4")) for name in names}) == len(names)


def test_an_accent_gives_the_same_id_however_it_is_encoded() -> None:
    assert video_id_of(PurePath("caf\u00e9.mp4")) == video_id_of(PurePath("cafe\u0301.mp4"))


SIXTEENTHS = st.integers(0, 8000).map(lambda count: count / 16)  # exact in floating point


@given(SIXTEENTHS, SIXTEENTHS, st.integers(1, 60), st.sampled_from([0.0, 0.25]))
def test_cuts_do_not_overlap_lie_inside_and_lose_less_than_a_clip(
    start_s: float, length_s: float, clip_s: int, slack_s: float
) -> None:
    end_s = start_s + length_s
    starts = clip_starts(start_s, end_s, clip_s, slack_s)
    assert all(after - before == clip_s for before, after in pairwise(starts))
    if starts:
        assert 0 <= starts[0] < start_s + 1
        assert starts[0] >= start_s - slack_s
        assert 0 <= end_s + slack_s - (starts[-1] + clip_s) < clip_s
    else:
        assert length_s < clip_s + 1


def test_sound_that_starts_late_costs_only_the_seconds_without_it() -> None:
    assert clip_starts(0.0, 60.0, 10) == [0, 10, 20, 30, 40, 50]
    assert clip_starts(3.4, 60.0, 10) == [4, 14, 24, 34, 44]
    assert clip_starts(0.2, 60.0, 10, slack_s=0.25) == [0, 10, 20, 30, 40, 50]


def test_slack_saves_a_clip_whose_file_ends_a_frame_early() -> None:
    assert clip_starts(0.0, 9.97, 10) == []
    assert clip_starts(0.0, 9.97, 10, slack_s=0.1) == [0]


@pytest.mark.parametrize(("count", "number"), [(10, 1), (10, 4), (7, 7), (3, 9), (0, 2), (5, 0)])
def test_items_are_spread_evenly(count, number):
    found = spread(range(count), number)
    assert len(found) == min(count, number) and found == sorted(set(found))
    parts = [n * len(found) // count for n in found]
    assert parts == list(range(len(found)))  # one of each equal part
