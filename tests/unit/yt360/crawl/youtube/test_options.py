"""A mistake of ours is found before the first request, and never held against a video."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking.exceptions import UnsupportedRequest

from yt360.catalog import Catalog
from yt360.crawl.download.run import run_download
from yt360.crawl.failures import Kind, classify
from yt360.crawl.search.run import SearchConfig, run_search
from yt360.crawl.youtube import client
from yt360.crawl.youtube.client import ClientOptions
from yt360.crawl.youtube.options import PROXY_SCHEMES
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
    opened = client.YoutubeClient(ClientOptions(cookies=path), None, threading.Event())
    before = path.read_bytes()
    with file_size_limit(20), pytest.raises(OSError):
        opened.save_cookies()
    assert path.read_bytes() == before
    opened.close()
    assert "SID" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello\nworld\n", "line 1 has 1 fields"),
        (b'[{"name": "SID"}]', "line 1 has 1 fields"),
        (f"{HEADER}{COOKIE}x y z\n".encode(), "line 3 has 1 fields"),
        (COOKIE.encode(), "does not look like a Netscape"),
        (b"", "Netscape"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_another_file_is_refused_as_cookies(tmp_path, capsys, content, message):
    path = tmp_path / "cookies.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
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


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_timeout_is_positive(timeout_s):
    with pytest.raises(UserError, match="timeout_s"):
        ClientOptions(timeout_s=timeout_s)


def test_player_clients_are_those_of_yt_dlp():
    ClientOptions(player_clients=("default", "all", "web", "-tv"))
    with pytest.raises(UserError, match="no player client 'visonos'; did you mean 'visionos'"):
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
def late_mistake(monkeypatch, tmp_path):
    """Return a function that makes options whose mistake shows only when a request is made."""

    def make(name):
        for check in ("check_cookies", "check_proxy"):
            monkeypatch.setattr(client, check, lambda _: None)
        path = tmp_path / "cookies.txt"
        path.write_text("hello\n")
        return {"cookies": {"cookies": path}, "proxy": {"proxy": "nonsense://x"}}[name]

    return make


@pytest.mark.parametrize("name", ["cookies", "proxy"])
def test_it_stops_the_download_and_the_video_keeps_its_state(
    catalog_path, quick_config, make_client, ready_video, late_mistake, name
):
    ready_video(VIDEO)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
    options = replace(quick_config.client, **late_mistake(name))
    config = replace(quick_config, client=options)
    report = run_download(catalog_path, config, threading.Event(), make_client=make_client)
    assert report.stopped and not report.outcomes
    with Catalog(catalog_path) as catalog:
        video = catalog.videos.get(VIDEO)
        assert (video.state, video.tries) == ("found", 0)
        assert [each.reason for each in catalog.claims.history(VIDEO)] == [name]


@pytest.mark.parametrize("name", ["cookies", "proxy"])
def test_it_stops_the_search_and_the_listing_stays_open(
    catalog_path, client_options, make_client, late_mistake, name
):
    config = SearchConfig(client=replace(client_options, **late_mistake(name)))
    with Catalog(catalog_path) as catalog:
        catalog.listings.add("search", "concert 360")
        report = run_search(catalog, config, threading.Event(), make_client=make_client)
        assert report.stopped and not report.failed
        assert catalog.listings.take(1.0).tries == 0
