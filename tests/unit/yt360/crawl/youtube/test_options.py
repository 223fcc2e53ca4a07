"""A mistake of ours is found before the first request, and never held against a video."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest
from helpers.errors import user_error
from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking.exceptions import UnsupportedRequest

from yt360.catalog import Catalog
from yt360.crawl.download.fetch import Fetcher
from yt360.crawl.download.run import run_download
from yt360.crawl.failures import Kind, classify
from yt360.crawl.search.config import SearchConfig
from yt360.crawl.search.run import run_search
from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.options import PROXY_SCHEMES, ClientOptions
from yt360.errors import UserError

VIDEO = "-abcdefghi_"
HEADER = "# Netscape HTTP Cookie File\n"
COOKIE = "\t".join([".youtube.com", "TRUE", "/", "TRUE", "4102444800", "SID", "x"]) + "\n"


def test_a_netscape_cookie_file_is_taken(tmp_path):
    path = tmp_path / "cookies.txt"
    path.write_text(f"{HEADER}\n{COOKIE}#HttpOnly_{COOKIE}")
    assert ClientOptions(cookies=path).parameters()["cookiefile"] == str(path)


def test_cookies_are_written_back_whole_or_not_at_all(tmp_path, file_size_limit):
    path = tmp_path / "cookies.txt"
    path.write_text(f"{HEADER}\n{COOKIE}")
    path.chmod(0o600)
    opened = YoutubeClient(ClientOptions(cookies=path), None, threading.Event())
    before = path.read_bytes()
    with file_size_limit(20), pytest.raises(OSError):
        opened.save_cookies()
    assert path.read_bytes() == before
    opened.close()
    assert "SID" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content",
    [
        b"hello\nworld\n",
        b'[{"name": "SID"}]',
        f"{HEADER}{COOKIE}x y z\n".encode(),
        COOKIE.encode(),
        b"",
        b"\xff\xfe\x00",
    ],
)
def test_another_file_is_refused_as_cookies(tmp_path, capsys, content):
    path = tmp_path / "cookies.txt"
    path.write_bytes(content)
    with user_error("invalid", path):
        ClientOptions(cookies=path)
    assert not capsys.readouterr().err, "one line says it"


@pytest.mark.parametrize("scheme", PROXY_SCHEMES)
def test_proxies_of_every_kind_are_taken(scheme):
    assert ClientOptions(proxy=f"{scheme}://user:word@127.0.0.1:1080").proxy


def test_an_empty_proxy_means_none():
    assert ClientOptions(proxy="").parameters()["proxy"] == ""


@pytest.mark.parametrize(
    "proxy", ["nonsense://x", "127.0.0.1:1080", "http://", "http://[x", "http://x:99999", "ftp://x"]
)
def test_another_proxy_is_refused(proxy):
    with pytest.raises(UserError):
        ClientOptions(proxy=proxy)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_a_timeout_is_positive(timeout_s):
    with user_error("out-of-range", "timeout_s"):
        ClientOptions(timeout_s=timeout_s)


def test_player_clients_are_those_of_yt_dlp():
    ClientOptions(player_clients=("default", "all", "web", "-tv"))
    with user_error("unknown-name", "visonos"):
        ClientOptions(player_clients=("web", "visonos"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CookieLoadError("failed to load cookies"), "cookies"),
        (UnsupportedRequest('Unsupported proxy type: "nonsense"'), "proxy"),
        (UnsupportedRequest('Proxy "x" missing scheme'), "proxy"),
    ],
)
def test_what_yt_dlp_says_of_them_is_our_own_fault(error, reason):
    failure = classify(error)
    assert (failure.kind, failure.reason) == (Kind.LOCAL, reason)


@pytest.fixture
def late_mistake(tmp_path, make_client):
    """Return a function that makes clients whose mistake shows only when a request is made."""

    def make(name):
        path = tmp_path / "cookies.txt"

        def make_late(options, *rest):
            path.write_text(f"{HEADER}\n{COOKIE}")
            wrong = replace(options, **({"cookies": path} if name == "cookies" else {}))
            path.write_text("hello\n")
            if name == "proxy":
                object.__setattr__(wrong, "proxy", "nonsense://x")
            return make_client(wrong, *rest)

        return make_late

    return make


@pytest.mark.parametrize("name", ["cookies", "proxy"])
def test_it_stops_the_download_and_the_video_keeps_its_state(
    catalog_path, quick_config, ready_video, late_mistake, name
):
    ready_video(VIDEO)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
    fetcher = partial(Fetcher, make_client=late_mistake(name))
    report = run_download(catalog_path, quick_config, threading.Event(), make_fetcher=fetcher)
    assert report.stopped and not report.outcomes
    with Catalog(catalog_path) as catalog:
        video = catalog.videos.get(VIDEO)
        assert (video.state, video.tries) == ("found", 0)
        assert [each.reason for each in catalog.claims.history(VIDEO)] == [name]


@pytest.mark.parametrize("name", ["cookies", "proxy"])
def test_it_stops_the_search_and_the_listing_stays_open(
    catalog_path, client_options, late_mistake, name
):
    config = SearchConfig(client=client_options)
    with Catalog(catalog_path) as catalog:
        catalog.listings.add("search", "concert 360")
        report = run_search(catalog, config, threading.Event(), make_client=late_mistake(name))
        assert report.stopped and not report.failed
        assert catalog.listings.take(1.0).tries == 0
