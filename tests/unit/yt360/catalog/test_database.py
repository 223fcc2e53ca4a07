"""What a catalog stores of any text, and how it is opened and written when things go wrong."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress

import pytest
from helpers.errors import user_error
from hypothesis import given
from hypothesis import strategies as st

from yt360.catalog import Catalog, Verdict
from yt360.catalog.database import Connection, storable, transaction
from yt360.catalog.reports.video_report import video_lines
from yt360.catalog.schema import migrate

A, B = "aaaaaaaaaaa", "-b_bbbbbbbb"
HALF = "cut \ud83d"


@given(st.text(st.characters()))
def test_every_text_comes_back_and_only_what_is_no_unicode_is_changed(text):
    connection = sqlite3.connect(":memory:", factory=Connection)
    (found,) = connection.execute("SELECT ?", (text,)).fetchone()
    assert len(found) == len(text)
    for before, after in zip(text, found, strict=True):
        assert after == ("?" if "\ud800" <= before <= "\udfff" else before)
    assert storable(found) == found


@pytest.mark.parametrize("value", [None, 0, -(2**63), 2**63 - 1, 0.5, b"\xff", True, ""])
def test_what_sqlite_takes_is_left_as_it_is(value):
    assert storable(value) is value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400])
def test_a_number_of_too_many_digits_is_unknown(catalog, value):
    catalog.videos.add(A, duration_s=value)
    assert catalog.videos.get(A).duration_s is None


def test_half_a_character_is_stored_in_every_text_about_a_video(catalog):
    catalog.videos.add(A, title=HALF, tags=[HALF], description={HALF: HALF})
    catalog.claims.defer(catalog.claims.take("download", HALF), 0.0, HALF, HALF)
    catalog.videos.update_facts(A, channel=HALF)
    catalog.verdicts.put(A, Verdict(kind=HALF, verdict=HALF, numbers={"detail": HALF}))
    catalog.listings.add("search", HALF)
    catalog.listings.turn_page(catalog.listings.take(9.0), [A], HALF, 9.0)
    video = catalog.videos.get(A)
    assert (video.title, video.channel, video.detail) == ("cut ?", "cut ?", "cut ?")
    assert video.facts == {"tags": ["cut ?"], "description": {"cut ?": "cut ?"}}
    assert catalog.verdicts.of(A)["cut ?"].numbers == {"detail": "cut ?"}
    "\n".join(video_lines(catalog, A)).encode()
    catalog.videos.reject(A, HALF, HALF)
    assert catalog.videos.get(A).detail == "cut ?"
    catalog.videos.drop(A, HALF)
    assert catalog.videos.get(A).reason == "cut ?"


def test_an_id_that_is_no_text_is_not_in_the_catalog(catalog):
    with user_error("missing"):
        catalog.videos.get("\udcff")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_fact_that_is_no_number_is_unknown(catalog, value):
    catalog.videos.add(A, duration_s=value, view_count=value, tags=["x", value])
    assert catalog.videos.get(A).duration_s is None
    assert catalog.videos.get(A).facts == {"tags": ["x", None]}


@pytest.mark.parametrize("value", [{"text": "x"}, ["x"]])
def test_a_fact_that_is_no_text_is_unknown(catalog, value):
    catalog.videos.add(A, title="known")
    catalog.videos.update_facts(A, title=value, channel=value, tags=value)
    video = catalog.videos.get(A)
    assert (video.title, video.channel, video.facts) == ("known", None, {"tags": value})


def fill_settings(catalog):
    catalog.set_setting("x", "y" * 100_000)


def fill_videos(catalog):
    for number in range(2000):
        catalog.videos.add(f"{number:011d}", title="t" * 300)


def fill_sites(catalog):
    for number in range(500):
        catalog.sites.reserve(f"site{number}" * 50, 1.0)


@pytest.mark.parametrize("fill", [fill_settings, fill_videos, fill_sites])
def test_a_full_disk_is_told_as_such_and_leaves_everything_as_it_was(catalog, fill):
    catalog.videos.add(A)
    (pages,) = catalog.connection.execute("PRAGMA page_count").fetchone()
    catalog.connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(sqlite3.OperationalError) as caught, catalog.transaction():
        catalog.videos.update_facts(A, title="new")
        fill(catalog)
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_FULL
    assert catalog.videos.get(A).title is None
    catalog.videos.update_facts(A, title="there is room for this")


def test_a_commit_that_fails_is_rolled_back():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(
        "CREATE TABLE t (x PRIMARY KEY, y REFERENCES t DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO t VALUES (1, 2)")  # is found wanting by the commit
    assert not connection.in_transaction
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (3, 3)")
    assert connection.execute("SELECT x FROM t").fetchall() == [(3,)]


def test_a_migration_for_which_there_is_no_room_says_so():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as caught:
        migrate(connection)
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_FULL


@pytest.mark.parametrize("create", [False, True])
def test_an_empty_file_becomes_a_catalog_only_where_one_is_made(tmp_path, create):
    path = tmp_path / "empty.txt"
    path.touch()
    if create:
        Catalog(path, create=True).close()
        assert path.stat().st_size
    else:
        with user_error("empty", path):
            Catalog(path)
        assert path.stat().st_size == 0 and [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("is_made", [False, True])
def test_opening_waits_for_the_process_that_makes_the_catalog(tmp_path, is_made):
    path = tmp_path / "my.catalog"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    if is_made:
        migrate(other)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, other.close)
    timer.start()
    with Catalog(path, create=True) as catalog:
        catalog.videos.add(A)
        assert catalog.connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    timer.join()


def test_a_catalog_that_is_made_while_it_is_looked_at_is_not_taken_for_another_file(
    tmp_path, monkeypatch
):
    path = tmp_path / "my.catalog"
    makers = []

    class Watched(Connection):
        def execute(self, sql, parameters=(), /):
            if "sqlite_master" in sql:
                makers.append(sql)
                maker = sqlite3.connect(path, timeout=0, isolation_level=None)
                with suppress(sqlite3.OperationalError):  # locked: we are looking
                    migrate(maker)
                maker.close()
            return super().execute(sql, parameters)

    monkeypatch.setattr("yt360.catalog.opening.Connection", Watched)
    with Catalog(path, create=True) as catalog:
        catalog.videos.add(A)
    assert len(makers) == 1
