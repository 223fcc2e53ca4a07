"""A value of any type in any column of a catalog is told in one line, and nothing else happens."""

from __future__ import annotations

import csv
import io
import shutil
import sqlite3
from contextlib import closing

import pytest

from yt360.catalog import Catalog, Clip, MediaFile, Verdict
from yt360.catalog.build_inputs import catalog_inputs
from yt360.catalog.lists.export import TABLES, csv_cell, export_table, row_lines
from yt360.catalog.lists.yt360_lists import export_lists
from yt360.catalog.reports.summary import summarize, summary_lines
from yt360.catalog.reports.video_report import video_lines
from yt360.catalog.schema import MIGRATIONS, migrate
from yt360.errors import BadItem, UserError
from yt360.stats.catalog_counts import count_catalog

A = "aaaaaaaaaaa"
VALUES = {
    "text": "'x'",
    "bytes": "x'ff00'",
    "negative": "-1",
    "infinite": "9e999",
    "deep": f"'{'[' * 3000}'",
    "list": "'{\"doubts\": 5}'",
    "line": "'a' || char(10) || char(27)",
}


def columns():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [
            f"{table}.{row[1]}"
            for (table,) in tables.fetchall()
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a catalog with something in every table."""
    path = tmp_path_factory.mktemp("whole") / "my.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.videos.add(A, title="t", channel_id="UC1", duration_s=50.0, tags=["x"])
        catalog.claims.finish(catalog.claims.take("download", "w"), "accepted")
        catalog.files.put(A, MediaFile(role="both", path="aa/a.mp4", bytes=3))
        catalog.clips.put(A, Clip(start_s=0, numbers={"a": 1}), Clip(start_s=20))
        numbers = {"doubts": [{"code": "x"}]}
        catalog.verdicts.put(A, Verdict(kind="spatial-audio", verdict="pass", numbers=numbers))
        catalog.splits.put([A], "train")
        catalog.listings.add("search", "q")
        catalog.listings.turn_page(catalog.listings.take(0.0), [A], "token", 0.0)
        catalog.sites.reserve("youtube", 1.0)
        catalog.set_setting("filters", {})
    return path


@pytest.fixture(scope="module")
def open_copy(whole, tmp_path_factory):
    """Return an open copy of that catalog, in which any value can be stored."""
    path = shutil.copyfile(whole, tmp_path_factory.mktemp("copy") / "my.catalog")
    with Catalog(path) as catalog:
        catalog.execute("PRAGMA ignore_check_constraints = ON")
        yield catalog


def everything(catalog, folder, changed_table):
    """Yield what reads a catalog, and what writes into one."""
    yield lambda: list(summary_lines(summarize(catalog)))
    yield lambda: list(video_lines(catalog, A))
    yield lambda: count_catalog(catalog)
    yield lambda: catalog_inputs(catalog)
    yield lambda: export_lists(catalog, folder / "lists")
    for table in TABLES if changed_table == "videos" else TABLES.keys() & {changed_table}:
        for suffix in ("jsonl", "parquet"):
            yield lambda name=table, end=suffix: export_table(catalog, name, folder / f"o.{end}")
    yield lambda: catalog.sites.reserve("youtube", 1.0)
    yield lambda: catalog.listings.take(1.0)
    yield lambda: catalog.setting("filters", dict, {})
    yield lambda: catalog.videos.update_facts(A, title="new", tags=["y"])
    yield lambda: catalog.videos.requeue([A], "downloaded")
    yield lambda: catalog.claims.take("inspect", "w")


@pytest.mark.parametrize("column", columns())
def test_any_value_in_any_column_is_a_user_error_or_none(open_copy, tmp_path, column):
    table, name = column.split(".")
    for value in VALUES.values():
        open_copy.execute("BEGIN IMMEDIATE")
        try:
            open_copy.execute(f"UPDATE {table} SET {name} = {value}")
            for read in everything(open_copy, tmp_path, table):
                try:
                    read()
                except (UserError, BadItem) as error:
                    assert len(str(error)) < 600
                except sqlite3.IntegrityError:
                    assert value in (VALUES["infinite"], VALUES["bytes"], VALUES["text"])
        except sqlite3.IntegrityError:
            pass  # SQLite itself refuses the value
        finally:
            open_copy.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE clips SET duration_s = 'x'", "Clip.duration_s = 'x', not a number from 0"),
        ("UPDATE files SET path = '/etc/passwd'", "MediaFile.path = '/etc/passwd', "),
        ("UPDATE verdicts SET numbers = '['", "Verdict.numbers = '[', not a JSON object"),
        ("UPDATE videos SET tries = -1", "Video.tries = -1, not an integer from 0"),
        ("UPDATE videos SET title = x'00'", "Video.title = bytes, not a text"),
    ],
)
def test_what_is_wrong_is_told_with_column_and_value(whole, tmp_path, statement, message):
    path = shutil.copyfile(whole, tmp_path / "my.catalog")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with Catalog(path) as catalog, pytest.raises(BadItem) as caught:
        list(video_lines(catalog, A))
    assert message in caught.value.detail and caught.value.reason == "damaged-catalog"


def test_a_booking_in_the_far_future_is_not_waited_for(catalog, clock):
    catalog.sites.reserve("youtube", 1.0)
    catalog.connection.execute("UPDATE sites SET next_at = 1e11")
    assert catalog.sites.reserve("youtube", 1.0) == clock.now


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "-cmd|' /C'!A0"])
def test_no_text_in_csv_is_a_formula(text):
    written = "\n".join(row_lines(["title"], [(text,)], "csv"))
    _, row = csv.reader(io.StringIO(written, newline=""))
    assert row == [f"'{text}"]


def test_a_text_of_several_lines_is_one_cell_of_csv():
    row = ("a\nb", "c\rd", 'e"f', "g,h")
    written = "\n".join(row_lines(["1", "2", "3", "4"], [row], "csv"))
    assert list(csv.reader(io.StringIO(written, newline="")))[1] == list(row)


@pytest.mark.parametrize("value", ["-oytwMeyR74", "", "a=b", -1.5, 0, None, "1-2"])
def test_ids_numbers_and_other_texts_stay_as_they_are_in_csv(value):
    assert csv_cell(value) is value


@pytest.mark.real
def test_the_catalog_with_a_text_as_length_is_told_in_one_line(real_data, tmp_path):
    for source in real_data.glob("hostile/clips.duration_s*.catalog"):
        path = shutil.copyfile(source, tmp_path / "my.catalog")
        with Catalog(path) as catalog:
            for read in (
                catalog_inputs,
                lambda c: export_table(c, "clips", tmp_path / "o.parquet"),
            ):
                with pytest.raises((BadItem, UserError)):
                    read(catalog)
