"""A catalog that somebody else made: what is in the file, and beside it, does nothing by itself."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from contextlib import closing

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog
from yt360.catalog.opening import connect, is_catalog, limited_time
from yt360.catalog.reports.query import run_sql
from yt360.catalog.schema import MIGRATIONS, migrate
from yt360.cli import cli
from yt360.commands.run import run

A = "aaaaaaaaaaa"


@pytest.fixture
def path(tmp_path):
    """Return a catalog with one video that no process has open."""
    path = tmp_path / "foreign.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.videos.add(A)
    return path


def change(path, *statements):
    """Run statements over a connection without our guards, as whoever made the catalog can."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TRIGGER evil AFTER UPDATE ON videos BEGIN INSERT INTO sites (site) {ENDLESS}; END",
        f"CREATE VIEW evil AS {ENDLESS}",
        "CREATE TABLE evil (x)",
        "CREATE VIRTUAL TABLE evil USING fts5(x)",
        "CREATE INDEX evil ON videos (title) WHERE length(hex(zeroblob(9))) > 2",
        "ALTER TABLE videos ADD COLUMN evil GENERATED ALWAYS AS (zeroblob(900000000))",
        "DROP TRIGGER videos_state_in",
        "PRAGMA user_version = 2",
        "PRAGMA user_version = -1",
    ],
)
def test_a_schema_that_is_not_ours_is_refused(path, statement):
    change(path, statement)
    with user_error("forbidden", path):
        Catalog(path)


def test_a_view_in_the_place_of_a_table_is_refused(path):
    change(path, "ALTER TABLE sites RENAME TO old", f"CREATE VIEW sites AS {ENDLESS}")
    with user_error("forbidden", path):
        Catalog(path)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_catalog_of_an_older_version_is_compared_with_that_version(tmp_path, version):
    path = tmp_path / "old.catalog"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:version])
    Catalog(path).close()
    with closing(sqlite3.connect(tmp_path / "evil.catalog", isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:version])
        connection.execute("CREATE VIEW evil AS SELECT 1")
    with user_error("forbidden", tmp_path / "evil.catalog"):
        Catalog(tmp_path / "evil.catalog")


def test_layout_of_the_schema_text_makes_no_difference(tmp_path):
    path = tmp_path / "old.catalog"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, [[" ".join(each.split()) for each in step] for step in MIGRATIONS])
    Catalog(path).close()


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_no_file_is_written_through_a_link_beside_a_catalog(path, tmp_path, suffix):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path.with_name(path.name + suffix).symlink_to(victim)
    with user_error("forbidden"):
        Catalog(path)
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_fifo_is_not_waited_for(path, suffix):
    file = path.with_name(path.name + suffix)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with user_error("forbidden"):
        Catalog(path)
    assert is_catalog(path) == bool(suffix)


def test_asking_whether_a_file_is_a_catalog_leaves_no_files_beside_it(path, tmp_path):
    before = sorted(path.parent.iterdir())
    assert is_catalog(path)
    (tmp_path / "text").write_bytes(b"SQLite format 2")
    assert not is_catalog(tmp_path / "text")
    assert sorted(path.parent.iterdir()) == sorted({*before, tmp_path / "text"})


def test_a_catalog_whose_first_page_is_in_the_write_ahead_log_is_one(tmp_path):
    path = tmp_path / "new.catalog"
    with Catalog(path, create=True) as catalog:
        copy = tmp_path / "copy.catalog"
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        catalog.videos.add(A)
    copy.write_bytes(copy.read_bytes()[:68] + bytes(4) + copy.read_bytes()[72:])
    assert is_catalog(copy)


def test_a_rollback_journal_deletes_no_file_that_it_names(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    target = tmp_path / "copy.catalog"
    journal = leave_hot_journal(path, target)
    name = os.fsencode(victim)
    # https://sqlite.org/fileformat.html: number of a page that is never written, name, its length,
    # the sum of its bytes, and the magic of the journal
    record = struct.pack(">I", 2**30 // 4096 + 1) + name
    record += struct.pack(">II", len(name), sum(name)) + journal.read_bytes()[:8]
    with journal.open("ab") as file:
        file.write(record)
    with user_error("forbidden", f"{target}-journal"):
        Catalog(target)
    assert victim.exists()
    change(target, "SELECT * FROM sqlite_master")
    assert not victim.exists(), "SQLite by itself deletes it, so the check is needed"


def test_a_rollback_journal_of_our_own_is_played_back(path, tmp_path):
    target = tmp_path / "copy.catalog"
    leave_hot_journal(path, target)
    with Catalog(target) as catalog:
        assert [video.video_id for video in catalog.videos.select()] == [A]


def leave_hot_journal(path, target):
    """Copy a catalog in the middle of a transaction; return the journal of the copy."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("journal_mode = DELETE", "cache_size = 1", "synchronous = FULL"):
            connection.execute(f"PRAGMA {statement}")
        connection.execute("BEGIN IMMEDIATE")
        for number in range(300):
            values = (f"{number:011d}", "t" * 500)
            connection.execute(
                "INSERT INTO videos (video_id, title, added_at, changed_at) VALUES (?, ?, 0, 0)",
                values,
            )
        for suffix in ("", "-journal"):
            shutil.copy(f"{path}{suffix}", f"{target}{suffix}")
        connection.execute("ROLLBACK")
    return target.with_name(f"{target.name}-journal")


def test_a_catalog_is_reached_by_a_link_and_by_a_name_of_any_characters(path, tmp_path):
    link = tmp_path / "a link?mode=memory&x#y%41.catalog"
    link.symlink_to(path)
    assert is_catalog(link)
    with Catalog(link) as catalog:
        assert list(run_sql(catalog, "SELECT video_id FROM videos", 0)[1]) != []


def test_a_catalog_named_as_memory_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Catalog(path := tmp_path / ":memory:", create=True):
        assert path.is_file()


def test_a_statement_that_does_not_end_is_interrupted(path):
    with (
        closing(connect(path, read_only=True)) as connection,
        limited_time(connection, 0.1),
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(f"SELECT max(x) FROM ({ENDLESS})").fetchall()


@pytest.mark.parametrize("sql", ["SELECT zeroblob(900000000)", "SELECT hex(zeroblob(9000000))"])
def test_a_value_that_takes_too_much_memory_is_refused(path, sql):
    with Catalog(path) as catalog, user_error("forbidden", "sql"):
        run_sql(catalog, sql, 0)


def test_text_that_is_no_utf_8_is_shown_with_replacement_characters(path):
    change(path, "UPDATE videos SET title = CAST(x'41ff' AS TEXT)")
    with Catalog(path) as catalog:
        assert catalog.videos.get(A).title == "A\N{REPLACEMENT CHARACTER}"


def test_a_name_in_the_schema_that_is_no_utf_8_is_refused(path):
    name = "UPDATE sqlite_master SET name = CAST(x'66ff' AS TEXT), sql = 'x' WHERE name = 'splits'"
    change(path, "PRAGMA writable_schema = ON", name)
    with user_error("invalid", path):
        Catalog(path)


@pytest.mark.real
def test_the_catalog_with_an_endless_trigger_is_refused(real_data, tmp_path):
    for number, source in enumerate(real_data.glob("hostile/trigger*.catalog")):
        path = tmp_path / f"{number}.catalog"
        shutil.copyfile(source, path)
        with user_error("forbidden", path):
            Catalog(path)


def bomb(path):
    """Let every page of the table of videos refer to the same leaf, over many levels."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'videos'"
        ).fetchone()
        connection.execute("PRAGMA journal_mode = DELETE")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        leaf = file.read(size)
        levels = 12
        for level in range(levels):
            number = root if level == 0 else pages + level
            child = pages + level + 1
            cells = [struct.pack(">I", child) + bytes([1]) for _ in range(200)]
            start = size - 5 * len(cells)
            head = bytes([5]) + struct.pack(">HHHB", 0, len(cells), start, 0)
            head += struct.pack(">I", child)
            pointers = b"".join(struct.pack(">H", start + 5 * i) for i in range(len(cells)))
            body = head + pointers
            file.seek((number - 1) * size)
            file.write(body.ljust(start, b"\0") + b"".join(cells))
        file.seek((pages + levels - 1) * size)
        file.write(leaf)
        file.seek(28)
        file.write(struct.pack(">I", pages + levels))


def test_pages_that_refer_to_each_other_over_and_over_are_refused(path):
    bomb(path)
    with user_error("invalid", path):
        Catalog(path)


def test_the_check_names_damaged_videos_and_pages(path, capsys):
    for statement, code in (("SELECT 1", 0), ("UPDATE videos SET title = x'00'", 1)):
        change(path, statement)
        with pytest.raises(SystemExit) as end:
            run(cli, ["catalog", "check", str(path)])
        assert (end.value.code or 0) == code
    whole, damaged = capsys.readouterr().out.splitlines()
    assert whole == f"{path} has no faults" and damaged.startswith(
        f"{A}: the catalog contains Video.title"
    )
