"""Groups of videos, and their file."""

from __future__ import annotations

import pytest
from helpers.errors import user_error

from yt360.duplicates.groups import (
    GROUPS_FILE,
    crossing,
    find_groups,
    join,
    merge,
    read_groups,
    write_groups,
)


def test_pairs_that_share_a_video_are_one_group():
    assert join([("d", "c"), ("a", "b"), ("b", "c"), ("x", "y"), ("z", "z")]) == (
        ("a", "b", "c", "d"),
        ("x", "y"),
    )


def test_duplicates_connect_the_groups_of_their_videos():
    groups = {"a": "K", "b": "K", "c": "L", "d": "M"}
    merged = merge(groups, (("b", "c"), ("d", "e"), ("f", "g")))
    assert merged == {
        "a": "K", "b": "K", "c": "K", "d": "M", "e": "M", "f": "f", "g": "f",
    }  # fmt: skip
    assert merge(groups, ()) == groups


def test_a_group_crosses_where_its_videos_are_in_both_splits():
    splits = {"a": "train", "b": "test", "c": "train"}
    assert crossing((("a", "b"), ("a", "c"), ("b", "x")), splits) == (("a", "b"),)


def test_groups_are_read_as_they_were_written(tmp_path):
    assert find_groups(tmp_path) == ()
    write_groups(tmp_path / GROUPS_FILE, "same-footage", (("a", "b"),))
    assert find_groups(tmp_path) == (("a", "b"),)


@pytest.mark.parametrize("text", ["", "[]", '{"grouping": "same-footage", "groups": [[1]]}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "g.json").write_text(text)
    with user_error("invalid", key=tmp_path / "g.json"):
        read_groups(tmp_path / "g.json")
    with user_error("missing"):
        read_groups(tmp_path / "none.json")
