from __future__ import annotations

import os
import sqlite3
import stat

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog
from yt360.catalog.opening import is_catalog
from yt360.catalog.reports.summary import summarize
from yt360.catalog.schema import MIGRATIONS, migrate, version_of

A, B = "aaaaaaaaaaa", "-b_bbbbbbbb"


def test_a_missing_catalog_is_not_made_by_reading(tmp_path):
    with user_error("missing"):
        Catalog(tmp_path / "no.catalog")
    assert not (tmp_path / "no.catalog").exists()


def test_no_catalog_is_made_in_a_folder_that_is_not_there(tmp_path):
    with user_error("missing", tmp_path / "no"):
        Catalog(tmp_path / "no" / "x.catalog", create=True)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("content", [b"some text that is long enough to be no header", b"\0" * 200])
def test_another_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with user_error("invalid", path):
        Catalog(path)
    assert path.read_bytes() == content and not is_catalog(path)


def test_another_database_is_refused(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    with user_error("invalid", path):
        Catalog(path)


def test_a_catalog_of_a_newer_version_is_refused(catalog):
    catalog.connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with user_error("forbidden", catalog.path):
        Catalog(catalog.path)


def test_migrations_run_once_each_in_order_and_a_failing_one_changes_nothing():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    first = ("CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")
    migrate(connection, [first])
    migrate(connection, [first, ("UPDATE t SET x = x + 1",)])
    migrate(connection, [first, ("UPDATE t SET x = x + 1",)])
    assert connection.execute("SELECT x FROM t").fetchall() == [(2,)]
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [(), (), ("UPDATE t SET x = 9", "NONSENSE")])
    assert connection.execute("SELECT x FROM t").fetchall() == [(2,)]
    assert version_of(connection) == 2


def test_a_catalog_of_the_first_version_counts_its_kept_clips(tmp_path):
    path = tmp_path / "old.catalog"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    connection.executescript(
        "INSERT INTO videos (number, video_id, state, added_at, changed_at) VALUES "
        f"(1, '{A}', 'accepted', 0, 0), (2, '{B}', 'rejected', 0, 0);"
        "INSERT INTO clips (video, start_s, duration_s, origin, kept, reason) VALUES "
        "(1, 0, 10, 'x', 1, NULL), (1, 10, 10, 'x', 0, 'silent'), (2, 0, 10, 'x', 1, NULL);"
    )
    connection.close()
    with Catalog(path) as catalog:
        assert version_of(catalog.connection) == len(MIGRATIONS)
        assert summarize(catalog).clips == {"kept": 1, "rejected": 1, "dropped/silent": 1}
        catalog.videos.drop(A, "withdrawn")
        assert summarize(catalog).clips == {"rejected": 2, "dropped/silent": 1}


def test_nothing_is_stated_of_the_videos_of_an_older_catalog(tmp_path):
    path = tmp_path / "old.catalog"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:2])
    connection.execute(f"INSERT INTO videos (video_id, added_at, changed_at) VALUES ('{A}', 0, 0)")
    connection.close()
    with Catalog(path) as catalog:
        assert catalog.videos.get(A).stated_sound_layout is None
        catalog.videos.state_media(A, "n3d", "eac")
        assert catalog.videos.get(A).stated_projection == "eac"


def test_a_transaction_is_all_or_nothing_even_when_nested(catalog):
    with pytest.raises(ZeroDivisionError), catalog.transaction():
        catalog.videos.add(A)
        with catalog.transaction():
            catalog.videos.add(B)
        raise ZeroDivisionError
    assert summarize(catalog).videos == 0


@pytest.mark.parametrize("mask", [0, 0o022])
def test_a_catalog_and_what_lies_beside_it_is_its_owners_alone(tmp_path, mask):
    before = os.umask(mask)
    try:
        with Catalog(tmp_path / "x.catalog", create=True) as catalog:
            catalog.videos.add("kqAZkf5Odyw")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["x.catalog", "x.catalog-wal", "x.catalog-shm"], 0o600)


def test_trouble_with_the_disk_names_the_catalog(tmp_path):
    path = tmp_path / "x.catalog"
    with Catalog(path, create=True) as catalog:
        pages = catalog.connection.execute("PRAGMA page_count").fetchone()[0]
    with pytest.raises(sqlite3.OperationalError) as full, Catalog(path) as catalog:
        catalog.connection.execute(f"PRAGMA max_page_count = {pages}")
        with catalog.transaction():
            for number in range(5000):
                catalog.videos.add(f"{number:011d}")
    assert full.value.__notes__ == [str(path)]
    with Catalog(path) as catalog:
        assert not list(catalog.videos.select())
