"""What goes wrong on the way ends the same for a whole file and for a section of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest

from yt360.catalog import Catalog, ClaimLost, Clip
from yt360.crawl.download.fetch import Fetcher
from yt360.retry import RetryPolicy

VIDEO = "-abcdefghi_"
BEGIN, END = 39, 54  # of the section


@dataclass
class Way:
    """How videos are fetched: whole, or only a section.

    Attributes:
        add: Adds a video to the site and to the catalog; returns the paths of its streams.
        check: Asserts that `VIDEO` was fetched as it should.
    """

    name: str
    clips: tuple[int, ...]
    add: Callable[..., tuple[str, str]]
    check: Callable[[], None]


@pytest.fixture(params=["whole", "section"])
def way(
    request, youtube, ready_video, catalog_path, long_bytes, picture_bytes, sound_bytes, content
):
    youtube.drip_bytes = 400
    in_parts = request.param == "section"
    streams = long_bytes if in_parts else (picture_bytes, sound_bytes)
    clips = (41,) if in_parts else ()

    def add(video_id=VIDEO):
        with Catalog(catalog_path) as catalog:
            catalog.videos.add(video_id)
            catalog.clips.put(
                video_id, *(Clip(start_s=start, origin="released") for start in clips)
            )
        return ready_video(video_id, content=streams, duration_s=60 if in_parts else 4)

    def check():
        if not in_parts:
            assert content() == [picture_bytes, sound_bytes]
            return
        with Catalog(catalog_path) as catalog:
            (file,) = catalog.files.of(VIDEO)
        assert (file.role, file.path.rpartition("/")[2]) == ("both", f"{VIDEO}.00039-00054.mkv")
        assert file.start_s <= BEGIN and file.end_s >= END

    return Way(request.param, clips, add, check)


@pytest.fixture
def partial_files(catalog_path):
    """Return a function that lists what a failed transfer has left behind."""
    return lambda: list((catalog_path.parent / "my-media").rglob("*.part"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param("500", "http-5xx", marks=pytest.mark.slow),
        ("503", "http-5xx"),
        ("403", "http-403"),
        ("empty", "empty"),
        ("lie:9000", "wrong-size"),
        ("html", "wrong-size"),
    ],
)
def test_a_failed_try_is_recorded_and_the_next_one_succeeds(
    way, youtube, download, sound_bytes, outcomes, fault, reason
):
    picture, sound = way.add()
    youtube.script[picture] = [fault] * (3 if fault.startswith("5") else 1)
    report = download()
    way.check()
    assert outcomes() == [("deferred", reason), ("downloaded", None)]
    assert dict(report.outcomes) == {("downloaded", ""): 1}, "each video once"
    if way.name == "whole":
        assert youtube.sent(sound) == len(sound_bytes), "fetched once, after the picture was whole"


@pytest.mark.parametrize("fault", ["503", "hang-up", "reset:20000", "short:20000"])
def test_a_connection_that_fails_is_taken_up_again_in_the_same_try(
    way, youtube, download, outcomes, fault
):
    picture, _ = way.add()
    youtube.script[picture] = [fault, fault]
    download()
    way.check()
    assert outcomes() == [("downloaded", None)]
    assert not youtube.script[picture]


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [("404", "unavailable", "http-404"), ("410", "unavailable", "http-410"),
     ("401", "unavailable", "login"), ("451", "unavailable", "geo")],
)  # fmt: skip
def test_a_final_answer_is_asked_for_once(
    way, youtube, download, video, partial_files, fault, state, reason
):
    picture, _ = way.add()
    youtube.script[picture] = [fault] * 9
    download()
    assert (video().state, video().reason) == (state, reason)
    assert len(youtube.script[picture]) == 8
    assert not partial_files()


def test_a_redirect_within_the_allowed_sites_is_followed(way, youtube, download):
    picture, _ = way.add()
    youtube.media["/media/elsewhere.mp4"] = youtube.media[picture]
    youtube.script[picture] = ["redirect:/media/elsewhere.mp4"]
    download()
    way.check()


def test_a_redirect_to_another_site_is_refused(way, youtube, download, video):
    picture, _ = way.add()
    youtube.script[picture] = [f"redirect:{youtube.url}/outside/x.mp4"]
    download()
    assert (video().state, video().reason) == ("rejected", "forbidden-site")


def test_a_slow_drip_is_cut(way, youtube, download, outcomes, quick_config):
    picture, _ = way.add()
    youtube.script[picture] = ["drip"]
    transfer = replace(quick_config.transfer, min_rate_bytes_per_s=50_000, slow_window_s=0.3)
    download(transfer=transfer)
    way.check()
    assert outcomes() == [("deferred", "too-slow"), ("downloaded", None)]


def test_429_pauses_the_whole_run_and_costs_no_try(way, youtube, download, outcomes, catalog_path):
    picture, _ = way.add()
    youtube.script[picture] = ["429:1"]
    report = download()
    assert outcomes() == [("deferred", "http-429"), ("downloaded", None)]
    with Catalog(catalog_path) as catalog:
        first, second = catalog.claims.history(VIDEO)
        assert second.started_at - first.ended_at >= 0.95, "the Retry-After of 1 s is honoured"
        assert catalog.videos.get(VIDEO).tries == 0
    assert report.count("downloaded") == 1


def test_a_burst_of_403_pauses_the_whole_run(way, youtube, download, catalog_path, quick_config):
    ids = [f"refused___{i}" for i in range(3)]
    for video_id in ids:
        picture, _ = way.add(video_id)
        youtube.script[picture] = ["403"]
    rate_limit = replace(quick_config.rate_limit, max_errors=2, first_pause_s=0.2)
    report = download(rate_limit=rate_limit)
    assert report.count("downloaded") == 3
    with Catalog(catalog_path) as catalog:
        second = catalog.claims.history(ids[1])[0]
        third = catalog.claims.history(ids[2])[0]
        assert third.ended_at - second.ended_at >= 0.18


def test_a_video_that_keeps_failing_is_given_up(way, youtube, download, video, outcomes):
    picture, _ = way.add()
    youtube.script[picture] = ["403"] * 9
    report = download(retry=RetryPolicy(3, 0.02))
    assert (video().state, video().reason) == ("failed", "http-403")
    assert [outcome for outcome, _ in outcomes()] == ["deferred", "deferred", "failed"]
    assert report.count("failed") == 1


def test_a_stop_ends_a_transfer_in_its_middle(way, youtube, download, outcomes, monkeypatch):
    picture, _ = way.add()
    youtube.script[picture] = ["drip"] * 9
    stop, chunks = threading.Event(), youtube.chunks

    def chunks_and_stop(name, body):
        for number, chunk in enumerate(chunks(name, body)):
            if number == 3:
                stop.set()
            yield chunk

    monkeypatch.setattr(youtube, "chunks", chunks_and_stop)
    download(stop=stop)
    assert len(youtube.script[picture]) == 8, "it was not taken up again"
    assert youtube.sent(picture) < len(youtube.media[picture])
    assert outcomes() == [("released", "interrupted")]


def test_a_disk_that_fills_meanwhile_stops_the_run(
    way, youtube, download, outcomes, quick_config, make_fetcher
):
    picture, _ = way.add()
    youtube.script[picture] = ["drip"] * 9
    free = iter([10**12] * 2)  # as the run begins, and the download
    transfer = replace(quick_config.transfer, min_free_bytes=1000)
    report = download(
        transfer=transfer, fetcher=partial(make_fetcher, measure=lambda _: next(free, 0))
    )
    assert "GB are free" in report.stopped
    assert outcomes() == [("released", "disk-full")]


def test_a_lost_claim_ends_a_transfer(
    way, youtube, client_options, quick_config, limiter, make_client, tmp_path
):
    picture, _ = way.add()
    youtube.script[picture] = ["drip"] * 9
    fetcher = Fetcher(
        client_options,
        quick_config.selection,
        quick_config.transfer,
        limiter,
        threading.Event(),
        make_client,
    )
    checks = itertools.count()

    def check_claim():
        if next(checks) >= 3:
            raise ClaimLost(VIDEO)

    with pytest.raises(ClaimLost):
        fetcher.fetch(
            VIDEO,
            f"https://www.youtube.com/watch?v={VIDEO}",
            tmp_path / "video",
            way.clips,
            check_claim,
        )
