from __future__ import annotations

from itertools import pairwise

import pytest
from helpers.errors import bad_item
from hypothesis import given
from hypothesis import strategies as st

from yt360.crawl.failures import Damaged
from yt360.crawl.sections.planning import (
    LATE_START_S,
    MARGIN_S,
    MAX_FRACTION,
    MAX_GAP_S,
    needed_span,
    plan_sections,
    rebase,
    section_span,
)
from yt360.crawl.verify import check_whole, end_slack_s
from yt360.execution.isolation import IsolatedProcess


@given(
    starts=st.lists(st.integers(0, 3000), min_size=1, max_size=30, unique=True),
    duration_s=st.floats(3020, 10_000),
)
def test_every_clip_lies_inside_one_section_and_sections_are_apart(starts, duration_s):
    sections = plan_sections(starts, duration_s)
    if sections is None:
        covered = sum(10 + 2 * MARGIN_S + 1 + MAX_GAP_S for _ in starts)
        assert covered > MAX_FRACTION * duration_s
        return
    for start in starts:
        assert any(a <= max(0, start - MARGIN_S) and start + 10 < b for a, b in sections)
    for (_, end), (begin, _) in pairwise(sections):
        assert begin - end >= MAX_GAP_S
    assert sum(b - a for a, b in sections) <= MAX_FRACTION * duration_s


@pytest.mark.parametrize(("starts", "duration_s"), [([], 100.0), ([5], None), ([0, 20, 40], 60.0)])
def test_the_whole_video_is_fetched_when_sections_save_nothing(starts, duration_s):
    assert plan_sections(starts, duration_s) is None


def test_clips_beyond_the_end_are_left_out():
    assert plan_sections([10, 5000], 200.0) == [(8, 23)]


@given(
    starts=st.lists(st.integers(0, 90), min_size=1, max_size=3, unique=True),
    duration_s=st.floats(101, 1000),
)
def test_what_a_section_must_hold_lies_in_it_and_has_its_clips(starts, duration_s):
    for section in plan_sections(starts, duration_s) or []:
        begin_s, end_s = needed_span(section, starts, duration_s)
        assert section[0] <= begin_s < end_s <= section[1]
        for start in starts:
            if section[0] <= start < section[1]:
                assert begin_s <= max(start, LATE_START_S)
                assert end_s >= min(start + 10, duration_s - end_slack_s(duration_s))


@pytest.mark.parametrize(
    ("start_s", "page_s", "needed"),
    [
        (41, 60.0, (41, 51)),  # the margins are not needed
        (48, 61.0, (48, 58)),  # the page may have been rounded up
        (50, 60.0, (50, 58)),  # the end may come as early as that of a whole file
        (0, 60.0, (0.5, 10)),
    ],
)
def test_a_section_must_hold_its_clips_as_far_as_the_video_is_there(start_s, page_s, needed):
    (section,) = plan_sections([start_s], page_s)
    assert needed_span(section, [start_s], page_s) == needed


def test_a_section_that_came_too_short_is_not_kept(tmp_path, long_bytes):
    raw, final = tmp_path / "raw.mkv", tmp_path / "final.mkv"
    raw.write_bytes(long_bytes[1])
    with IsolatedProcess() as isolated, bad_item("truncated"):
        rebase(isolated, raw, final, 10, 90)
    assert not final.exists()


def test_a_file_that_does_not_say_its_times_is_no_section(tmp_path, long_bytes):
    (tmp_path / "a.mkv").write_bytes(long_bytes[1])
    with IsolatedProcess() as isolated, bad_item("not-a-section"):
        section_span(isolated, tmp_path / "a.mkv")


def test_a_crash_costs_the_section_that_it_comes_from(crashing, tmp_path, long_bytes):
    bad, good, final = (tmp_path / name for name in ("crash.mkv", "good.mkv", "final.mkv"))
    for raw in (bad, good):
        raw.write_bytes(long_bytes[1])
    with IsolatedProcess() as isolated:
        with bad_item("crash"):
            rebase(isolated, bad, final, 10, 50)
        rebase(isolated, good, final, 10, 50)
    assert final.exists()


def test_a_whole_file_passes_and_its_length_is_told(tmp_path, picture_bytes):
    path = tmp_path / "x.mp4"
    path.write_bytes(picture_bytes)
    assert check_whole(path, len(picture_bytes), 4.0) == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_is_found_without_being_told_its_size(tmp_path, long_bytes, container, share):
    content = long_bytes[0 if container == "mp4" else 1]
    path = tmp_path / f"x.{container}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Damaged) as found:
        check_whole(path, None, 60.0)
    assert found.value.reason in ("truncated", "not-media")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"<html>Please wait</html>" * 9, "not-media")]
)
def test_what_is_no_media_is_found(tmp_path, content, reason):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with bad_item(reason):
        check_whole(path, None, None)
