from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.errors import user_error

from yt360.catalog.lists.cells import seconds_of, video_of
from yt360.catalog.lists.list_columns import choose_columns, describe
from yt360.catalog.lists.list_files import batches, open_list

A, B, C = "kqAZkf5Odyw", "-b_bbbbbbb8", "Documentary"
WATCH = "https://www.youtube.com/watch?v="


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a text as a file and opens it as a list."""

    def open_text(text):
        path = tmp_path / "list.txt"
        path.write_bytes(text.encode())
        return open_list(path)

    return open_text


@pytest.fixture
def write_parquet(tmp_path):
    def open_table(**columns):
        path = tmp_path / "list.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=2)
        return open_list(path)

    return open_table


@pytest.mark.parametrize(
    ("text", "how", "rows"),
    [
        (f"{A}\n{B}\n", "lines of ids or addresses", [(A,), (B,)]),
        (f"{WATCH}{A}\n", "lines of ids or addresses", [(WATCH + A,)]),
        (f"{A}\n{B}\nwordlikeids\n", "lines of ids or addresses", [(A,), (B,), ("wordlikeids",)]),
        (
            f"{A} 54,68\n{B} 7\n",
            "lines of ids or addresses and start seconds",
            [(A, "54,68\n"), (B, "7\n")],
        ),
        (f"# all\n{A}_80\n", "lines of ids or addresses", [(A + "_80",)]),
        (f"video_id\n{A}\n", "CSV, videos in 'video_id'", [(A,)]),
        (
            f"{A},30,train\n{B},4,test\n",
            "CSV without a header, videos in 'column 1', starts in 'column 2', "
            "splits in 'column 3'",
            [(A, "30", "train"), (B, "4", "test")],
        ),
        (
            f"{A}, 30.000, 40.000, \"/m/1,/m/2\"\n",
            "CSV without a header, videos in 'column 1', starts in 'column 2', ends in 'column 3'",
            [(A, "30.000", "40.000")],
        ),
        (
            f"{A} 30 40\n",
            "CSV without a header, videos in 'column 1', starts in 'column 2', ends in 'column 3'",
            [(A, "30", "40")],
        ),
        (
            f"\ufeffdescription\tviews\tytid\tstartTime\nDocumentary\t9\t{A}\t3\n",
            "CSV, videos in 'ytid', starts in 'startTime'",
            [(A, "3")],
        ),
        (f"0,{A}\n1,{B}\n", "CSV without a header, videos in 'column 2'", [(A,), (B,)]),
    ],
)  # fmt: skip
def test_text_is_recognized_by_its_content(write, text, how, rows):
    file = write(text)
    columns = choose_columns(file)
    assert describe(file, columns) == f"{file.path}: {how}"
    wanted = (columns.video, columns.start, columns.end, columns.split)
    assert [*file.rows([each for each in wanted if each is not None])] == rows


def test_parquet_is_recognized_whatever_its_name_is(write_parquet):
    file = write_parquet(
        Category=["Documentary"] * 3,
        link=[WATCH + A, "https://youtu.be/" + B, None],
        view_count=[1, 2, 3],
        tags=[["a"], [], []],
        clip_start=[0.0, 7.5, None],
    )
    columns = choose_columns(file)
    assert describe(file, columns).endswith("Parquet, videos in 'link', starts in 'clip_start'")
    assert [*batches(file.rows([columns.video, columns.start]), 2)] == [
        [(WATCH + A, 0.0), ("https://youtu.be/" + B, 7.5)],
        [(None, None)],
    ]


def test_numbers_that_are_not_said_to_be_starts_are_none(write):
    file = write(f"id,duration,start_frame,start_ms,related\n{A},30,1,2,{B}\n{B},30,1,2,{B}\n")
    columns = choose_columns(file)
    assert (columns.video, columns.start, columns.end) == (0, None, None)
    named = choose_columns(file, {"video": "related", "start": "duration"})
    assert (named.video, named.start) == (4, 1)
    assert choose_columns(write(f"id,start\n{A},3\n"), {"start": ""}).start is None


def test_an_end_that_is_not_after_its_start_is_no_end(write):
    assert choose_columns(write(f"id,start,end\n{A},30,10\n")).end is None


@pytest.mark.parametrize(
    ("text", "named", "code", "key"),
    [
        ("title,views\nDocumentary,3\n", {}, "invalid", None),
        ("word\nDocumentary\nInformation\n", {}, "invalid", None),
        (f"id,start\n{A},3\n", {"start": "begin"}, "unknown-name", "begin"),
        (f"id,start\n{A},3\n", {"begin": "start"}, "unknown-name", "begin"),
        (f"id,start\n{A},soon\n", {"start": "start"}, "invalid", "start"),
        (f"id,start\n{A},3\n", {"video": "start"}, "invalid", "start"),
    ],
)
def test_columns_that_are_not_there_are_refused_in_one_line(write, text, named, code, key):
    with user_error(code, key):
        choose_columns(write(text), named)


def test_a_refusal_names_the_columns(write):
    with pytest.raises(Exception, match=r"\('title', 'views'\) holds .* --column video="):
        choose_columns(write("title,views\nDocumentary,3\n"))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\n# only a comment\n", "empty"),
        (b"id,start\n", "empty"),
        (b"\xff\xfe\x00a", "invalid"),
        (b"PAR1 and nothing else", "invalid"),
        (b"a" * (2 << 20), "system"),
        (b"id," + b'"' + b"a" * 200_000 + b'"\n', "system"),
    ],
)
def test_files_that_are_no_lists_are_refused_in_one_line(tmp_path, content, code):
    path = tmp_path / "list"
    path.write_bytes(content)
    with user_error(code, path):
        open_list(path)


def test_a_list_that_is_no_regular_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "list")
    with user_error("system"):
        open_list(tmp_path / "list")
    with user_error("system"):
        open_list(tmp_path / "missing")


@pytest.mark.parametrize(
    ("cell", "video"),
    [
        (A, (A, None)),
        (f"{B}_12.5", (B, 12.5)),
        (f"youtu.be/{A}", (A, None)),
        (f"{WATCH}{A}&t=3", (A, None)),
        (f"https://www.youtube.com/shorts/{A}", (A, None)),
        (f"https://vimeo.com/{A}", None),
        ("https://youtube.com/[", None),
        ("UC" + "a" * 22, None),
        (12345678901, None),
        (None, None),
    ],
)
def test_cells_with_videos(cell, video):
    assert video_of(cell) == video


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("54,68", [54, 68]),
        ("[54, 68.5]", [54, 68.5]),
        ("1:02:30", [3750]),
        ("2:30.5", [150.5]),
        (7, [7]),
        (7.5, [7.5]),
        (-1, None),
        (float("nan"), None),
        (True, None),
        ("", None),
        ("1e3", None),
        ("9" * 5000, None),
    ],
)
def test_cells_with_seconds(cell, seconds):
    assert seconds_of(cell) == seconds
