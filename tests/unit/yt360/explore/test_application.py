"""The command as a user runs it: opened, served, exported."""

import json
import os
import shutil
import signal
import threading
import urllib.request

import pytest
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.paths import REPOSITORY

from yt360.commands.dataset.explore import command
from yt360.explore.application import Explorer, serve
from yt360.explore.decoding import Decoding
from yt360.explore.sources.dataset import DatasetSource
from yt360.review.applied import find_decisions
from yt360.shards.format.schema import DATASET_FILE


@pytest.fixture
def dataset(tmp_path):
    """Two clips."""
    folder = tmp_path / "dataset"
    shutil.copytree(REPOSITORY / "shards", folder, ignore=shutil.ignore_patterns("train"))
    info = json.loads((folder / DATASET_FILE).read_text())
    info["splits"]["train"] = {}
    (folder / DATASET_FILE).write_text(json.dumps(info))
    return folder


@pytest.fixture
def decoding():
    with Decoding(1) as decoding:
        yield decoding


def get(link):
    with urllib.request.urlopen(link, timeout=60) as answer:
        return answer.status, answer.read()


def served(explorer, requests, capsys):
    """Serve while a function makes requests to the printed link; return what it returns."""
    results = []

    def talk(link):
        try:
            results.append(requests(link))
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    def started():
        lines = capsys.readouterr().out.split()
        link = next(word for word in lines if word.startswith("http"))
        threading.Thread(target=talk, args=(link,)).start()

    with pytest.raises(KeyboardInterrupt):
        serve(explorer, "127.0.0.1", 0, open_page=False, started=started)
    return results[0]


def test_the_page_is_served_until_ctrl_c(dataset, decoding, capsys):
    def requests(link):
        site = json.loads(get(f"{link}api/site.json")[1])
        clip = json.loads(get(f"{link}clips/0/clip.json")[1])
        return get(link)[0], site, clip, get(f"{link}clips/1/thumbnail.jpg")[1]

    with Explorer(str(dataset), (), None, decoding) as explorer:
        status, site, clip, picture = served(explorer, requests, capsys)
    assert status == 200 and site["clips"] == 2 and site["can_review"]
    assert clip["energy"] and clip["labels"] and picture.startswith(b"\xff\xd8")


def test_a_decision_is_stored_beside_the_dataset(dataset, decoding, capsys):
    body = {"key": "a", "action": "reject", "value": None, "note": "", "who": "me", "seen": None}

    def requests(link):
        site = json.loads(get(f"{link}api/site.json")[1])
        key = json.loads(get(f"{link}api/clips/0.json")[1])["key"][0]
        origin = link.rstrip("/")
        request = urllib.request.Request(
            f"{link}api/review",
            json.dumps({**body, "key": key}).encode(),
            {"Origin": origin, "X-Explore": "1"},
        )
        return site["who"], get(request)[0], key

    with Explorer(str(dataset), (), None, decoding) as explorer:
        _, status, key = served(explorer, requests, capsys)
    assert status == 200
    lines = (dataset / "review.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines if "key" in line] == [key]


def test_an_export_has_everything_and_can_be_repeated(dataset, tmp_path):
    out = tmp_path / "site"
    arguments = [str(dataset), "--export", str(out)]
    first = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "2 written, 0 unchanged" in first.output
    for name in ("index.html", "clips/1/video.mp4", "clips/0/energy.bin", "clips/0/labels/0.png"):
        assert (out / name).stat().st_size
    assert len(json.loads((out / "api/clips/0.json").read_bytes())["classes"][0]) > 1
    second = CliRunner().invoke(command, arguments)
    assert "0 written, 2 unchanged" in second.output


def test_a_remote_dataset_cannot_be_decided_about(dataset, decoding):
    def open_remote(place, decoder, *_):
        return DatasetSource(dataset, decoder, title=place)

    with Explorer("https://host/data", (), None, decoding, open_place=open_remote) as explorer:
        assert explorer.review is None and explorer.source.num_clips == 2


def test_a_decision_about_a_dataset_in_a_bucket_is_stored_there(dataset, decoding, tmp_path):
    def open_remote(place, decoder, *_):
        return DatasetSource(dataset, decoder, title=place)

    url = f"memory://{tmp_path.name}/data"
    with Explorer(url, (), None, decoding, open_place=open_remote) as explorer:
        assert explorer.review.decide({"key": "v-00010", "action": "reject"})[0] == 200
    (decision,) = find_decisions([url])
    assert (decision.key, decision.action) == ("v-00010", "reject")
    assert not (dataset / "review.jsonl").exists()


def test_a_run_needs_a_dataset(tmp_path, decoding):
    reader = DatasetSource(REPOSITORY / "shards", decoding)
    member = reader.member(0, "video.mp4")
    (tmp_path / "clip.mp4").write_bytes(member.read(0, member.size))
    with user_error("conflict", "--run"):
        Explorer(str(tmp_path), (tmp_path,), None, decoding)


@pytest.mark.parametrize("option", [["--host", "::1"], ["--port", "0"], ["--no-browser"]])
def test_options_of_the_server_do_not_belong_to_an_export(dataset, tmp_path, option):
    with user_error("conflict", option[0]):
        CliRunner().invoke(
            command,
            [str(dataset), "--export", str(tmp_path / "out"), *option],
            catch_exceptions=False,
        )
