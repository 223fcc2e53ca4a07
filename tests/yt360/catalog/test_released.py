from __future__ import annotations

import pytest

from yt360.catalog import Clip
from yt360.catalog.released import (
    export_lists,
    import_lists,
    parse_ids,
    parse_segments,
)
from yt360.catalog.summary import summarize
from yt360.errors import UserError

A, C = "aaaaaaaaaaa", "ccccccccccc"


def test_lists_come_back_in_their_own_order(catalog, tmp_path):
    segments = f"{C} 0,10,27\n{A} 5"
    import_lists(catalog, parse_segments(segments), {"train": [A], "test": [C]})
    import_lists(catalog, parse_segments(segments), {"train": [A], "test": [C]})
    assert export_lists(catalog, tmp_path) == {"segments.txt": 2, "train.txt": 1, "test.txt": 1}
    assert (tmp_path / "segments.txt").read_text() == segments
    assert (tmp_path / "test.txt").read_text() == f"{C}\n"


def test_importing_again_does_not_revive_dropped_clips(catalog):
    segments = {A: [0, 10]}
    import_lists(catalog, segments, {})
    catalog.clips.put(A, [Clip(start_s=0, kept=False, reason="silent")])
    import_lists(catalog, segments, {})
    assert [clip.kept for clip in catalog.clips.of(A)] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{A} 0,10\nshort 3", "line 2: 'short' is not a video id"),
        (f"{A} 0,x", "not a list of whole seconds"),
        (f"{A}", "not a list of whole seconds"),
        (f"{A} 10,0", "do not rise"),
        (f"{A} 0\n{A} 10", "line 2: .* second time"),
    ],
)
def test_lists_with_mistakes_are_refused_with_the_line(text, message):
    with pytest.raises(UserError, match=message):
        parse_segments(text)


def test_a_list_with_a_repeated_id_is_refused():
    with pytest.raises(UserError, match="line 2"):
        parse_ids(f"{A}\n{A}\n")


def test_a_conflict_of_lists_stores_nothing(catalog):
    with pytest.raises(UserError, match="cannot be in"):
        import_lists(catalog, {A: [0]}, {"train": [A], "test": [A]})
    assert summarize(catalog).videos == 0
