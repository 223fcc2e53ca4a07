"""Videos are counted once each, in the report, for the progress and against the limit."""

from __future__ import annotations

import threading

import pytest

from yt360.catalog import Catalog
from yt360.crawl.download.report import RETRY, Report
from yt360.crawl.download.run import run_download

VIDEO, OTHER, THIRD = "-abcdefghi_", "other_video", "third_video"


def test_a_video_counts_by_what_came_of_it_last():
    report = Report()
    for reason in ("http-403", "http-403", "truncated"):
        report.add(VIDEO, RETRY, reason)
    report.add(OTHER, RETRY, "http-403")
    assert dict(report.outcomes) == {(RETRY, "truncated"): 1, (RETRY, "http-403"): 1}
    report.add(VIDEO, "downloaded", size_bytes=2_000_000)
    assert list(report.lines()) == [
        "       1  downloaded (2.0 MB)",
        "       1  retry later",
        "                 1  http-403",
    ]


def test_tries_that_failed_are_no_progress(
    youtube, ready_video, catalog_path, quick_config, make_fetcher
):
    picture, _ = ready_video(VIDEO)
    youtube.script[picture] = ["403", "403"]
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
    finished = []
    run_download(
        catalog_path,
        quick_config,
        threading.Event(),
        finished=lambda *settled: finished.append(settled),
        make_fetcher=make_fetcher,
    )
    assert finished == [(VIDEO, "downloaded")]


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_is_not_used_up_by_tries_that_failed(
    youtube, ready_video, download, quick_config, limit
):
    for video_id in (VIDEO, OTHER, THIRD):
        picture, _ = ready_video(video_id)
        youtube.script[picture] = ["403"]
    report = download(VIDEO, OTHER, THIRD, limit=limit)
    assert report.count("downloaded") == limit


def test_videos_that_this_run_does_not_try_again_count_against_the_limit(youtube, download):
    for video_id in (VIDEO, OTHER, THIRD):
        youtube.add_unplayable(video_id, "LIVE_STREAM_OFFLINE", "Premieres in 3 hours")
    report = download(VIDEO, OTHER, THIRD, limit=2)
    assert dict(report.outcomes) == {(RETRY, "upcoming"): 2}
