"""Scores of a run in the list: served while they are computed, and exported."""

import json
import time

import pytest
from click.testing import CliRunner
from helpers.explore import HOST
from starlette.testclient import TestClient

from yt360.commands.dataset.explore import command
from yt360.explore.application import Explorer
from yt360.explore.decoding import Decoding
from yt360.explore.server import create_app


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep scores of tests apart from those of the user."""
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scores"


def listed(site):
    return json.loads((site / "api/clips/0.json").read_bytes())["score run"]


def test_an_export_lists_the_score_that_each_clip_shows_and_a_repeated_one_computes_none(
    scene_run, tmp_path, cache
):
    site = tmp_path / "site"
    arguments = [str(scene_run.dataset), "--run", str(scene_run.run), "--export", str(site)]
    first = CliRunner().invoke(command, arguments, catch_exceptions=False)
    scores = listed(site)
    assert "8 written" in first.output and len(scores) == 8 and None not in scores
    assert len(set(scores)) > 1
    shown = [json.loads((site / f"clips/{n}/runs/0.json").read_bytes()) for n in range(8)]
    assert [clip["score"] for clip in shown] == scores
    column = json.loads((site / "api/site.json").read_bytes())["columns"][-1]
    assert (column["name"], column["role"]) == ("score run", "score")
    (file,) = cache.iterdir()
    before = file.read_bytes()
    second = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "8 unchanged" in second.output
    assert (listed(site), file.read_bytes()) == (scores, before)
    file.unlink()  # what the export cannot take from there, it computes
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert listed(site) == scores


def test_the_server_tells_scores_as_they_become_known(scene_run):
    with (
        Decoding(1) as decoding,
        Explorer(str(scene_run.dataset), (scene_run.run,), None, decoding) as explorer,
    ):
        page = TestClient(create_app(explorer.site()), HOST)
        shown = page.get("/clips/3/runs/0.json").json()["score"]
        first = page.get("/api/scores.json?after=0").json()
        assert first["scores"] == {"score run": [[3], [shown]]} and not first["complete"]
        explorer.scores.start()
        deadline = time.monotonic() + 60
        while not (answer := page.get("/api/scores.json?after=1").json())["complete"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        rows, _ = answer["scores"]["score run"]
        assert sorted(rows) == [0, 1, 2, 4, 5, 6, 7] and answer["done"] == answer["total"] == 8
        assert page.get("/api/clips/0.json").json()["score run"][3] == shown


def test_without_a_run_the_list_has_no_scores_and_nothing_is_stored(scene_run, cache):
    with (
        Decoding(1) as decoding,
        Explorer(str(scene_run.dataset), (), None, decoding) as explorer,
    ):
        page = TestClient(create_app(explorer.site()), HOST)
        assert page.get("/api/scores.json").status_code == 404
        names = [column["name"] for column in page.get("/api/site.json").json()["columns"]]
        assert not [name for name in names if name.startswith("score")]
    assert not cache.exists()
