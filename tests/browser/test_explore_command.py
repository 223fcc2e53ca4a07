"""The page as `yt360 explore` serves and exports it, with the example shards."""

import json
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers.accessibility import problems
from helpers.browser import wait_until
from helpers.paths import REPOSITORY

KEY = "scene-0000-0000-00000"
COMMAND = [sys.executable, "-m", "yt360", "explore"]


# Later, since a policy does not hold for what a test evaluates itself.
COMPILES = """() => new Promise((done) => setTimeout(() => {
    try { done(new Function("return true")()); } catch { done(false); }
}))"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A copy of the example shards, beside which decisions can be stored."""
    folder = tmp_path_factory.mktemp("explored") / "clips"
    shutil.copytree(REPOSITORY / "shards", folder)
    return folder


@pytest.fixture(scope="module")
def live(dataset):
    """The address of a running server."""
    command = [*COMMAND, str(dataset), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = iter(server.stdout.readline, "")
            yield next(line.split()[0] for line in lines if line.startswith("http"))
        finally:
            server.terminate()


@contextmanager
def served(folder):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *values):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_clip_is_found_played_turned_and_rejected_and_a_reload_keeps_it(opened, live, dataset):
    page = opened(live)
    page.keyboard.press("/")
    page.keyboard.type(KEY)
    page.wait_for_selector(".found >> text=1 of 18")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector(".facts")
    assert problems(page) == []
    page.keyboard.press("ArrowLeft")
    wait_until(page, "/yaw=[1-9]/.test(location.hash)")
    page.keyboard.press(" ")
    wait_until(page, "/t=[0-9.]*[1-9]/.test(location.hash)")
    page.keyboard.press(" ")
    page.keyboard.press("x")
    page.wait_for_selector(".history li.reject")
    page.reload()
    page.wait_for_selector(".history li.reject")
    stored = [json.loads(line) for line in (dataset / "review.jsonl").open()]
    assert [(one["key"], one["action"]) for one in stored] == [(KEY, "reject")]
    page.keyboard.press("Escape")
    page.get_by_role("checkbox", name="rejected 1").wait_for()


def shown(page):
    """Return what the list and one clip say."""
    page.wait_for_selector(".cell")
    cards = page.locator(".card .text").all_inner_texts()
    page.evaluate(f"location.hash = 'clip={KEY}'")
    page.wait_for_selector(".facts")
    return cards, page.locator(".all-facts").inner_text()


def test_an_export_shows_what_the_server_shows_and_offers_no_review(
    opened, live, dataset, tmp_path
):
    subprocess.run([*COMMAND, str(dataset), "--export", str(tmp_path / "site")], check=True)
    with served(tmp_path / "site") as address:
        page = opened(address)
        exported = shown(page)
        assert page.locator(".review").count() == 0
        assert page.evaluate(COMPILES) is False  # its policy holds without the server's headers
        assert page.get_by_role("button", name="Compare").is_visible()
        assert shown(opened(live)) == exported
