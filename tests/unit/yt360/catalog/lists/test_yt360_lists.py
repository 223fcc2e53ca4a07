from __future__ import annotations

import os

import pytest
from helpers.errors import user_error

from yt360.catalog import Clip
from yt360.catalog.lists.yt360_lists import (
    export_lists,
    import_lists,
    import_urls,
    parse_ids,
    parse_segments,
)
from yt360.catalog.reports.summary import summarize, summary_lines
from yt360.cli import cli
from yt360.commands.run import run
from yt360.stats.catalog_counts import count_catalog

A, B, C = "aaaaaaaaaaa", "-b_bbbbbbbb", "ccccccccccc"


def test_lists_come_back_in_their_own_order(catalog, tmp_path):
    segments = f"{C} 0,10,27\n{A} 5"
    import_lists(catalog, parse_segments(segments), {"train": [A], "test": [C]})
    import_lists(catalog, parse_segments(segments), {"train": [A], "test": [C]})
    assert export_lists(catalog, tmp_path) == {"segments.txt": 2, "train.txt": 1, "test.txt": 1}
    assert (tmp_path / "segments.txt").read_text() == segments
    assert (tmp_path / "test.txt").read_text() == f"{C}\n"


@pytest.fixture
def imported(catalog):
    """A catalog of three videos in lists; one is dropped by hand, one rejected by a test."""
    import_lists(catalog, {A: [0, 10], B: [0], C: [5, 20, 30]}, {"train": [B, A], "test": [C]})
    catalog.videos.drop(B, "withdrawn")
    claim = catalog.claims.take("download", "w")
    assert claim.video_id == A
    catalog.claims.finish(claim, "rejected", "not-360", "flat")
    return catalog


def test_rejected_and_dropped_videos_are_in_no_list(imported, tmp_path):
    assert export_lists(imported, tmp_path) == {"segments.txt": 1, "train.txt": 0, "test.txt": 1}
    assert (tmp_path / "segments.txt").read_text() == f"{C} 5,20,30"
    assert (tmp_path / "train.txt").read_text() == ""
    imported.videos.requeue([A, B])
    export_lists(imported, tmp_path)
    assert (tmp_path / "train.txt").read_text() == f"{A}\n", "only what is dropped is out for good"


@pytest.mark.parametrize("state", ["unavailable", "failed"])
def test_videos_that_we_could_not_have_stay_in_the_lists(catalog, tmp_path, state):
    import_lists(catalog, {A: [0]}, {"test": [A]})
    catalog.claims.finish(catalog.claims.take("download", "w"), state, "geo", "not here")
    assert export_lists(catalog, tmp_path) == {"segments.txt": 1, "train.txt": 0, "test.txt": 1}


def test_clips_of_rejected_videos_are_counted_apart(imported):
    summary = summarize(imported)
    assert summary.clips == {"kept": 3, "rejected": 3}
    assert summary.kept_hours == pytest.approx(30 / 3600)
    lines = list(summary_lines(summary))
    assert "       3  clips kept (0.01 h)" in lines and "       3    of rejected videos" in lines
    assert count_catalog(imported).rows["total"].clips == 3
    imported.videos.requeue([A])
    assert summarize(imported).clips == {"kept": 5, "rejected": 1}
    assert count_catalog(imported).rows["total"].clips == 5


def test_importing_again_does_not_revive_dropped_clips(catalog):
    segments = {A: [0, 10]}
    import_lists(catalog, segments, {})
    catalog.clips.put(A, Clip(start_s=0, kept=False, reason="silent", origin="released"))
    import_lists(catalog, segments, {})
    assert [clip.kept for clip in catalog.clips.of(A)] == [False, True]


def test_clips_of_a_list_replace_those_of_an_inspection_which_is_done_anew(catalog, accept):
    accept(A)
    catalog.clips.put(A, *(Clip(start_s=start) for start in (0, 10, 20)))
    import_lists(catalog, {A: [5, 20, 27]}, {})
    clips = catalog.clips.of(A)
    assert [(clip.start_s, clip.origin) for clip in clips] == [
        (start, "released") for start in (5, 20, 27)
    ]
    assert catalog.videos.get(A).state == "downloaded"
    assert summarize(catalog).clips == {"kept": 3}


def test_only_other_clips_put_a_video_back(catalog, accept):
    import_lists(catalog, {A: [0, 10]}, {})
    catalog.claims.finish(catalog.claims.take("download", "w"), "accepted")
    judged = [
        Clip(start_s=0, kept=False, reason="silent", origin="released"),
        Clip(start_s=10, origin="released", numbers={"level_dbfs": -30.0}),
    ]
    catalog.clips.replace(A, *judged)
    import_lists(catalog, {A: [0, 10]}, {"train": [A]})
    assert catalog.videos.get(A).state == "accepted" and catalog.clips.of(A) == judged
    import_lists(catalog, {A: [10]}, {})
    assert catalog.videos.get(A).state == "accepted" and catalog.clips.of(A) == judged
    import_lists(catalog, {A: [0, 10, 20]}, {})
    assert catalog.videos.get(A).state == "downloaded"
    assert catalog.clips.of(A) == [*judged, Clip(start_s=20, origin="released")]


def test_a_list_heals_a_video_that_has_clips_of_both_kinds(catalog, accept):
    accept(A)
    catalog.clips.put(A, Clip(start_s=0), Clip(start_s=5, origin="released"))
    import_lists(catalog, {A: [5]}, {})
    assert [clip.start_s for clip in catalog.clips.of(A)] == [5]
    assert catalog.videos.get(A).state == "downloaded"


@pytest.mark.parametrize("state", ["rejected", "unavailable", "failed", "wanted"])
def test_clips_change_no_other_state(catalog, state):
    catalog.videos.add(A)
    catalog.claims.finish(catalog.claims.take("download", "w"), state, "why", "")
    import_lists(catalog, {A: [5]}, {})
    assert catalog.videos.get(A).state == state and len(catalog.clips.of(A)) == 1


def test_a_conflict_of_splits_leaves_the_clips_of_an_inspection(catalog, accept):
    accept(A)
    catalog.clips.put(A, Clip(start_s=0))
    with user_error("conflict", A):
        import_lists(catalog, {A: [5]}, {"train": [A], "test": [A]})
    assert catalog.videos.get(A).state == "accepted"
    assert catalog.clips.of(A) == [Clip(start_s=0)]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (f"{A} 0,10\nshort 3", "invalid", 2),
        (f"{A} 0,x", "invalid", 1),
        (f"{A}", "invalid", 1),
        (f"{A} 10,0", "invalid", 1),
        (f"{A} 0\n{A} 10", "conflict", 2),
        (f"{A} 0,{'9' * 20}", "out-of-range", 1),
        (f"{A} {'9' * 5000}", "out-of-range", 1),
    ],
)
def test_lists_with_mistakes_are_refused_with_the_line(text, code, line):
    with user_error(code, f"segments, line {line}"):
        parse_segments(text)


def test_a_list_with_a_repeated_id_is_refused():
    with user_error("conflict", "list, line 2"):
        parse_ids(f"{A}\n{A}\n")


def test_a_conflict_of_lists_stores_nothing(catalog):
    with user_error("conflict", A):
        import_lists(catalog, {A: [0]}, {"train": [A], "test": [A]})
    assert summarize(catalog).videos == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 1000, "'xxxxxxxxxx"),
        (b"aaaaaaaaaaa " + b"1" * 400, "a time has more than 9 digits"),
        (b"aaaaaaaaaaa " + b"1," * 200_000, "a video has more than 100000 clips"),
        (b"aaaaaaaaaaa 5,4" + b",3" * 9000, "are not increasing"),
        (b"aaaaaaaaaaa \x00\x01", "is not a list of whole seconds"),
        (b"\xff\xfe\x00", "can't decode"),
    ],
)
def test_a_list_of_anything_is_refused_in_one_short_line(tmp_path, capsys, content, message):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(SystemExit) as end:
        run(cli, ["import", "--segments", str(path), str(tmp_path / "my.catalog")])
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and message in line and len(line) < 400


@pytest.mark.parametrize("option", ["--segments", "--train", "--test", "--ids", "--urls"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_list_that_is_no_regular_file_is_not_read(tmp_path, capsys, option, kind):
    path = tmp_path / "list.txt"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(SystemExit) as end:
        run(cli, ["import", option, str(path), str(tmp_path / "my.catalog")])
    assert end.value.code == 2 and "not a regular file" in capsys.readouterr().err


def test_an_address_of_any_length_is_refused_in_one_short_line(catalog):
    with user_error("out-of-range", "url"):
        import_urls(catalog, ["http://here/" + "x" * 10_000])
