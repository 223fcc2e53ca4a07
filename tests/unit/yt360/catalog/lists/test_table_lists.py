from __future__ import annotations

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog
from yt360.catalog.ids import id_of_url
from yt360.catalog.lists.list_columns import choose_columns
from yt360.catalog.lists.list_files import open_list
from yt360.catalog.lists.table_lists import import_table
from yt360.catalog.lists.yt360_lists import import_urls
from yt360.catalog.reports.summary import summarize
from yt360.cli import cli
from yt360.commands.run import run

A, B, C = "kqAZkf5Odyw", "-b_bbbbbbb8", "cccccccccc3"


@pytest.fixture
def add(catalog, tmp_path):
    """Return a function that imports a text as a list."""

    def import_text(text, name="mine", **options):
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        file = open_list(path)
        return import_table(catalog, file, choose_columns(file), name, **options)

    return import_text


def clips_of(catalog, video_id):
    return [(clip.start_s, clip.duration_s) for clip in catalog.clips.of(video_id)]


def test_rows_of_a_video_are_its_clips(catalog, add):
    text = f"id,start_s,end_s,split\n{A},10,15,train\n{B},3.7,8.7,val\n{A},20,25,training\n"
    done = add(text)
    assert (done.rows, done.listed, done.new_videos, done.new_clips) == (3, 2, 2, 3)
    assert clips_of(catalog, A) == [(10, 5), (20, 5)] and clips_of(catalog, B) == [(3, 5)]
    assert catalog.splits.of(A) == "train" and catalog.splits.of(B) is None
    assert done.unread == {"no split train or test": 1}
    assert catalog.lists.sizes() == {"mine": 2}


def test_clips_of_another_site_are_added_only_to_a_catalog_that_has_its_address(catalog, add):
    url = "http://here/film.mp4"
    own = id_of_url(url)
    text = f"video_id,start_s\n{A},10\n{own},20\n"
    done = add(text)
    assert (done.new_videos, done.new_clips, sum(done.unread.values())) == (1, 1, 1)
    assert not catalog.videos.has(own)
    import_urls(catalog, [url])
    assert add(text).new_clips == 1 and clips_of(catalog, own) == [(20, 10)]


def test_importing_again_changes_nothing(catalog, add):
    text = f"{A}_10\n{A}_20\n{B}_0\n"
    add(text, split="test", clip_s=5)
    again = add(text, split="test", clip_s=5)
    assert (again.listed, again.new_videos, again.new_clips, again.splits) == (0, 0, 0, {})
    assert clips_of(catalog, A) == [(10, 5), (20, 5)]


def test_lines_with_several_starts_are_several_clips(catalog, add):
    add(f"{A} 0,10,27\n{B} 5\n")
    assert clips_of(catalog, A) == [(0, 10), (10, 10), (27, 10)]


def test_a_list_without_starts_leaves_the_clips_of_an_inspection(catalog, add, accept):
    from yt360.catalog import Clip

    accept(A)
    catalog.clips.put(A, Clip(start_s=0))
    add(f"id\n{A}\n")
    assert catalog.videos.get(A).state == "accepted" and clips_of(catalog, A) == [(0, 10)]


def test_rows_without_a_video_are_left_out_and_the_first_is_told(add):
    rows = "".join(f"{n:05d}abcde8,3\n" for n in range(20))
    done = add(f"id,start\n{rows}n/a,4\nunknown,5\n{A},soon\n")
    assert done.new_videos == 21 and done.new_clips == 20
    assert done.first_unread["no YouTube id or address"] == (21, "n/a")
    assert done.unread == {"no YouTube id or address": 2, "no start in seconds": 1}


def test_a_later_list_does_not_move_a_video_to_another_split(catalog, add):
    add(f"id\n{A}\n", "first", split="train")
    done = add(f"id\n{A}\n{B}\n", "second", split="test")
    assert done.kept_splits == 1 and done.splits == {"test": 1}
    assert catalog.splits.of(A) == "train"
    assert catalog.lists.sizes() == {"first": 1, "second": 2}


def test_a_video_in_both_splits_of_a_list_is_refused(add):
    with user_error("conflict", A):
        add(f"id,split\n{A},train\n{A},test\n")


def test_a_name_of_any_length_is_refused(add):
    with user_error("out-of-range", "name"):
        add(f"{A}\n", "x" * 150)


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    """Return a function that runs ``yt360`` and returns its exit code, output and error line."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            run(cli, list(arguments))
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call


def test_the_command_tells_how_it_reads_a_list(tmp_path, command):
    (tmp_path / "a.csv").write_text(f"ytid,start,label\n{A},3,x\n{B},4,y\n")
    code, out, _ = command("import", "--list", "a.csv", "--split", "test", "my.catalog")
    assert code == 0 and out.splitlines() == [
        "a.csv: CSV, videos in 'ytid', starts in 'start'",
        "list 'a': 2 rows, 2 videos added to the list, 2 of them new; 2 clips added",
        "2 videos in test",
    ]
    code, out, _ = command(
        "import", "--list", "a.csv", "--column", "start=", "--name", "b", "b.cat"
    )
    assert "0 clips" in out
    with Catalog(tmp_path / "b.cat") as catalog:
        assert summarize(catalog).clips == {} and catalog.lists.sizes() == {"b": 2}


def test_text_lists_are_named_too(tmp_path, command):
    (tmp_path / "s.txt").write_text(f"{A} 0,10")
    (tmp_path / "more.txt").write_text(f"{B}\n")
    (tmp_path / "urls.txt").write_text(f"http://here/film.mp4\nhttps://youtu.be/{C}\n")
    options = ("--segments", "s.txt", "--ids", "more.txt", "--urls", "urls.txt")
    assert command("import", *options, "my.catalog")[0] == 0
    with Catalog(tmp_path / "my.catalog") as catalog:
        assert catalog.lists.sizes() == {"yt360": 1, "more": 1, "urls": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to import"),
        (("--ids", "ids.txt", "--split", "test"), "--split is for --list"),
        (("--list", "ids.txt", "--column", "start"), "--column start is not ROLE=NAME"),
        (("--list", "no-ids.csv"), "none of its columns ('title', 'views') holds YouTube ids"),
        (("--list", "missing.csv"), "cannot read missing.csv"),
    ],
)
def test_mistakes_are_refused_in_one_line_and_make_no_catalog(
    tmp_path, command, arguments, message
):
    (tmp_path / "ids.txt").write_text(f"{A}\n")
    (tmp_path / "no-ids.csv").write_text("title,views\nSea,3\n")
    code, _, error = command("import", *arguments, "my.catalog")
    assert code == 2 and message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "my.catalog").exists()
