from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.errors import user_error

from yt360.catalog.lists.export import TABLES, export_table, row_lines
from yt360.catalog.reports.query import run_sql, select_videos
from yt360.catalog.reports.summary import summarize, summary_lines
from yt360.catalog.reports.video_report import video_lines

A, B, C = "aaaaaaaaaaa", "-b_bbbbbbbb", "ccccccccccc"


def test_a_summary_counts_everything(filled):
    summary = summarize(filled)
    assert summary.videos == 2 and summary.states == {"accepted": 1, "rejected": 1}
    assert summary.reasons == {("rejected", "not-360"): 1}
    assert summary.clips == {"kept": 1, "dropped/silent": 1}
    assert summary.kept_hours == pytest.approx(10 / 3600)
    text = "\n".join(summary_lines(summary))
    for words in ("not-360", "dropped: silent", "videos in test", "still: pass"):
        assert words in text


def test_a_story_says_why_a_video_is_in_or_out(filled):
    assert "rejected (not-360: flat)" in "\n".join(video_lines(filled, B))
    text = "\n".join(video_lines(filled, A))
    for words in ("split: test", "aa/a.mp4: video", "still: pass", "dropped (silent)"):
        assert words in text
    with user_error("missing", C):
        list(video_lines(filled, C))


def test_a_story_shows_a_reason_without_details_alone(catalog):
    catalog.videos.add(A)
    claim = catalog.claims.take("download", "worker", 60)
    catalog.claims.release(claim)
    text = "\n".join(video_lines(catalog, A))
    assert "(interrupted)" in text and "None" not in text


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("table", list(TABLES))
def test_every_table_is_written_in_every_format(filled, tmp_path, table, suffix):
    path = tmp_path / f"{table}.{suffix}"
    count = export_table(filled, table, path)
    assert count == {"videos": 2, "clips": 2, "verdicts": 1, "attempts": 2, "files": 2}[table]
    first = read_first(path)
    assert first["video_id"] == A
    if table == "videos":
        assert first["title"] == 'Größe, "quoted"\nline'
        assert (first["split"], int(first["clips_kept"])) == ("test", 1)


def read_first(path: Path) -> dict:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()[0]
    if path.suffix == ".jsonl":
        return json.loads(path.read_text().splitlines()[0])
    import csv

    with path.open(newline="") as file:
        return next(csv.DictReader(file))


def test_an_unknown_table_or_suffix_is_refused(filled, tmp_path):
    with user_error("unknown-name", "clip"):
        export_table(filled, "clip", tmp_path / "x.csv")
    with user_error("unknown-name", ".txt"):
        export_table(filled, "clips", tmp_path / "x.txt")


def test_videos_are_selected_by_all_conditions_at_once(filled):
    def ids(**criteria):
        return [row[0] for row in select_videos(filled, 0, ["video_id"], **criteria)[1]]

    assert ids() == [A, B]
    assert ids(state="rejected", reason="not-360") == [B]
    assert ids(split="test") == [A] and ids(channel="UC1", state="rejected") == []
    with user_error("unknown-name", "acepted"):
        ids(state="acepted")


def test_sql_can_read_and_cannot_write(filled):
    columns, rows = run_sql(filled, "SELECT state, count(*) AS n FROM videos GROUP BY 1", 0)
    assert columns == ["state", "n"]
    assert [tuple(row) for row in rows] == [("accepted", 1), ("rejected", 1)]
    for sql in ("DELETE FROM videos", "SELEKT", "DROP TABLE videos"):
        with user_error("forbidden", "sql"):
            run_sql(filled, sql, 0)
    filled.videos.add(C)  # the catalog itself can write again


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA journal_mode=DELETE",
        "PRAGMA user_version=9",
        "VACUUM INTO 'copy.db'",
        "VACUUM",
        "ATTACH 'other.db' AS other",
        "CREATE TEMP TABLE t (x)",
        "BEGIN IMMEDIATE",
        "SELECT 1; DELETE FROM videos",
        "REINDEX",
    ],
)
def test_sql_can_change_neither_settings_nor_files(filled, tmp_path, monkeypatch, sql):
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    mode = filled.connection.execute("PRAGMA journal_mode").fetchone()[0]
    with user_error("forbidden", "sql"):
        run_sql(filled, sql, 0)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert filled.connection.execute("PRAGMA journal_mode").fetchone()[0] == mode == "wal"


def test_sql_can_ask_for_columns_and_count_upwards(filled):
    columns, _ = run_sql(filled, "PRAGMA table_info(videos)", 0)
    assert "name" in columns
    count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) "
    assert len(list(run_sql(filled, count + "SELECT i FROM n", 0)[1])) == 9


def test_json_lines_take_any_content_under_the_names_of_our_columns():
    columns = ["facts", "numbers", "data"]
    rows = [('{"a": 1}', 3, b"\x01\xff"), ("plain", None, "text")]
    assert [json.loads(line) for line in row_lines(columns, rows, "jsonl")] == [
        {"facts": {"a": 1}, "numbers": 3, "data": "01ff"},
        {"facts": "plain", "numbers": None, "data": "text"},
    ]
