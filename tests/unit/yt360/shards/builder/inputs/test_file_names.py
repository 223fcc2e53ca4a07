"""What the name of a file is believed to tell of its video."""

from __future__ import annotations

import base64
from pathlib import PurePath

from hypothesis import given
from hypothesis import strategies as st

from yt360.clips import DEFAULT_CLIP_S
from yt360.shards.builder.inputs.file_names import (
    FileName,
    assign_video_ids,
    looks_random,
)


def named(*names: str) -> list[tuple[str, int]]:
    return assign_video_ids([FileName(PurePath(f"{name}.mp4")) for name in names])


def test_names_that_people_give_do_not_look_random():
    for name in ("concert2020", "Concert2024", "holidaytrip", "HOLIDAY2020", "20200101-01"):
        assert not looks_random(name)


def test_nearly_all_ids_drawn_at_random_do():
    draws = range(1, 2001)
    ids = [
        base64.urlsafe_b64encode((n * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big")) for n in draws
    ]
    assert sum(looks_random(each.decode().rstrip("=")) for each in ids) > 0.97 * len(ids)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=6, unique=True))
def test_numbers_are_seconds_only_where_clips_of_ten_seconds_would_not_overlap(starts):
    found = named(*(f"BeachTrip04-{start}" for start in starts))
    overlap = any(0 < b - a < DEFAULT_CLIP_S for a in starts for b in starts)
    expected = [
        (f"BeachTrip04-{start}", 0) if overlap else ("BeachTrip04", start) for start in starts
    ]
    assert found == expected


def test_the_order_of_files_and_what_else_is_there_change_no_id():
    names = ["kqAZkf5Odyw-80", "kqAZkf5Odyw-90", "concert2020-1", "concert2020-2", "x/a"]
    found = dict(zip(names, named(*names), strict=True))
    assert found == dict(zip(reversed(names), named(*reversed(names)), strict=True))
    assert found["kqAZkf5Odyw-90"] == named("kqAZkf5Odyw-90")[0] == ("kqAZkf5Odyw", 90)
