from __future__ import annotations

import json
import sqlite3

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog
from yt360.catalog.reports.survival import survival_lines, survival_of
from yt360.catalog.schema import MIGRATIONS, migrate
from yt360.cli import cli
from yt360.commands.run import run

DAY = 86_400.0
IDS = [f"video_id_{n:02d}" for n in range(10)]


@pytest.fixture
def checked(catalog, clock):
    """A catalog with two lists that share a video, and one video of no list."""
    ends = (
        ("describe", "wanted", None),
        ("download", "unavailable", "removed"),
        ("download", "unavailable", "private"),
        ("download", "unavailable", "removed"),
        ("download", "rejected", "no-spatial-audio"),
        ("download", "failed", "http-500"),
    )
    for number, (job, state, reason) in enumerate(ends):
        catalog.videos.add(IDS[number])
        clock.now = number * DAY
        catalog.claims.finish(catalog.claims.take("describe", "w"), "found")
        catalog.execute("UPDATE attempts SET job = ?, outcome = ? WHERE number = ?",
                        (job, state, number + 1))  # fmt: skip
        catalog.videos.settle(IDS[number], state, reason, None)
    clock.now = 50 * DAY
    for video_id in IDS[6:9]:
        catalog.videos.add(video_id)
    catalog.videos.drop(IDS[7], "withdrawn")
    catalog.lists.add("old", IDS[:4])
    catalog.lists.add("new", IDS[3:8])
    return catalog


def test_every_video_of_a_list_is_counted_once(checked):
    old, new, rest = survival_of(checked)
    assert (old.name, old.videos, old.alive) == ("old", 4, 1)
    assert old.gone == {"removed": 2, "private": 1}
    assert (old.share_alive, old.first_at, old.last_at) == (0.25, 0.0, 3 * DAY)
    assert (new.videos, new.alive, new.gone) == (5, 1, {"removed": 1})
    assert (new.failed, new.unchecked, new.dropped) == (1, 1, 1)
    assert (new.first_at, new.last_at) == (3 * DAY, 4 * DAY), "the date of the check, not of now"
    assert (rest.name, rest.videos, rest.unchecked, rest.share_alive) == (None, 1, 1, None)


def test_lines_tell_reasons_and_dates(checked):
    lines = [*survival_lines(survival_of(checked))]
    assert lines[:5] == [
        "old: 4 videos, checked 1970-01-01 to 1970-01-04",
        "       1  alive (25.0 % of checked)",
        "       3  gone",
        "       2    removed",
        "       1    private",
    ]
    assert "(no list): 1 videos, none checked yet" in lines


def test_a_video_whose_inspection_failed_is_alive(catalog):
    catalog.videos.add(IDS[0])
    catalog.claims.finish(catalog.claims.take("download", "w"), "downloaded")
    catalog.claims.finish(catalog.claims.take("inspect", "w"), "failed", "crash", "x")
    (found,) = survival_of(catalog)
    assert (found.alive, found.failed) == (1, 0)


def test_a_video_that_is_queued_again_is_not_checked(checked):
    checked.videos.requeue(IDS[:4])
    old = survival_of(checked)[0]
    assert (old.unchecked, old.share_alive, old.first_at) == (4, None, None)


def test_an_older_catalog_has_videos_of_no_list(tmp_path):
    path = tmp_path / "old.catalog"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:3])
    connection.execute(
        f"INSERT INTO videos (video_id, added_at, changed_at) VALUES ('{IDS[0]}', 0, 0)"
    )
    connection.close()
    with Catalog(path) as catalog:
        (found,) = survival_of(catalog)
        assert (found.name, found.unchecked) == (None, 1)
        assert catalog.lists.add("mine", [IDS[0], IDS[1]]) == 1, "only videos of the catalog"
        assert survival_of(catalog)[0].name == "mine"


@pytest.fixture
def stats(checked, capsys):
    """Return a function that runs ``yt360 stats``; it returns the exit code, output and errors."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            run(cli, ["stats", *map(str, arguments)])
        return end.value.code, *capsys.readouterr()

    return call


def test_the_command_prints_lines_and_json(checked, stats):
    assert "old: 4 videos" in stats(checked.path, "--survival")[1]
    first, *_ = json.loads(stats(checked.path, "--survival", "--json")[1])
    assert (first["list"], first["last_check"]) == ("old", "1970-01-04")


def test_the_command_refuses_what_it_cannot_count(checked, stats, tmp_path):
    for arguments, message in (
        ((tmp_path,), "--survival is for a catalog"),
        ((tmp_path / "missing",), "no catalog at"),
        ((checked.path, "--plots", "x"), "--plots cannot be combined"),
    ):
        code, _, error = stats(*arguments, "--survival")
        assert code == 2 and message in error and len(error.splitlines()) == 1


def test_a_list_without_a_name_is_refused(catalog):
    with user_error("out-of-range", "name"):
        catalog.lists.add("", [])
    assert catalog.lists.add("empty") == 0
