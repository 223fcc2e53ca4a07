from __future__ import annotations

import base64

import pytest
from helpers.errors import user_error

from yt360.catalog.ids import AllowedSites, id_of_url, is_hashed_id, is_video_id, watch_url
from yt360.catalog.lists.yt360_lists import (
    import_urls,
)

A, B = "aaaaaaaaaaa", "-b_bbbbbbbb"


def test_addresses_of_youtube_give_their_own_id_and_others_a_stable_one():
    for url in (
        watch_url(B),
        f"https://youtu.be/{B}",
        f"https://m.youtube.com/watch?list=x&v={B}&t=3",
        f"https://www.youtube.com/shorts/{B}",
    ):
        assert id_of_url(url) == B
    own = id_of_url("http://127.0.0.1:8000/film.mp4")
    assert is_video_id(own) and own == id_of_url("http://127.0.0.1:8000/film.mp4")
    assert own != id_of_url("http://127.0.0.1:8000/film2.mp4")
    assert is_hashed_id(own) and not is_hashed_id(A) and not is_hashed_id(f"{own}Z")


@pytest.mark.parametrize("url", ["http://[", "http://a:b/", "http://a/\ud800"])
def test_a_malformed_address_is_refused(url):
    with user_error("invalid", url):
        id_of_url(url)


def test_no_id_of_youtube_is_a_hash():
    number = bytes(range(8))
    for last in range(256):  # the number of a video has 64 bits
        youtube_id = base64.urlsafe_b64encode(number[:7] + bytes([last])).decode().rstrip("=")
        assert is_video_id(youtube_id) and not is_hashed_id(youtube_id)


def test_an_id_of_another_site_is_no_video_of_youtube(catalog):
    url = "http://here/film.mp4"
    own = id_of_url(url)
    with user_error("invalid", own):
        watch_url(own)
    with user_error("missing", own):
        catalog.videos.add(own)
    assert not catalog.videos.has(own)
    import_urls(catalog, [url])
    assert not catalog.videos.add(own) and catalog.videos.get(own).url == url


def test_an_address_is_stored_only_for_other_sites(catalog):
    assert import_urls(catalog, [watch_url(A), "http://here/film.mp4"]) == 2
    assert catalog.videos.get(A).url == watch_url(A)
    assert catalog.videos.get(id_of_url("http://here/film.mp4")).url == "http://here/film.mp4"
    with user_error("invalid", "url"):
        import_urls(catalog, ["file:///etc/passwd"])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://www.youtube.com/watch?v=x", True),
        ("http://www.youtube.com/watch?v=x", False),
        ("https://www.youtube.com.evil.org/", False),
        ("https://evil.org/?www.youtube.com", False),
        ("http://127.0.0.1:8000/media/film.mp4", True),
        ("http://127.0.0.1:8000/media/../secret", False),
        ("http://127.0.0.1:8000/other/film.mp4", False),
        ("http://127.0.0.1:8001/media/film.mp4", False),
        ("http://127.0.0.1:8000@evil.org/media/", False),
        ("file:///etc/passwd", False),
    ],
)
def test_only_allowed_addresses_pass(url, allowed):
    sites = AllowedSites(["http://127.0.0.1:8000/media/"])
    if allowed:
        assert sites.check(url) == url
    else:
        with user_error("forbidden", url):
            sites.check(url)


def test_an_allowed_prefix_needs_scheme_and_host():
    with user_error("invalid", "allow_url"):
        AllowedSites(["example.org/"])
