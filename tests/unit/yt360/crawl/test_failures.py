"""What a failure means: the site's words through the real extractor, statuses, and transport."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace

import pytest
from yt_dlp.networking.exceptions import IncompleteRead, TransportError
from yt_dlp.utils import DownloadError

from yt360.catalog import Catalog
from yt360.crawl.download.run import run_download
from yt360.crawl.failures import (
    Damaged,
    Kind,
    NotYet,
    Unsuitable,
    announced_s,
    classify,
    retry_after_s,
)
from yt360.retry import RetryPolicy

VIDEO = "-abcdefghi_"
TERMINATED = (
    "This video is no longer available because the YouTube account associated with this video has "
    "been terminated."
)
SAYINGS = [
    ("ERROR", "Video unavailable", "", "gone", "removed"),
    (
        "ERROR",
        "Video unavailable",
        "This video has been removed by the uploader",
        "gone",
        "removed",
    ),
    (
        "ERROR",
        "This video has been removed for violating YouTube's Terms of Service",
        "",
        "gone",
        "removed",
    ),
    ("ERROR", "Video unavailable", TERMINATED, "gone", "terminated"),
    (
        "ERROR",
        "Video unavailable",
        "This video is no longer available because the uploader has closed their YouTube account.",
        "gone",
        "terminated",
    ),
    (
        "ERROR",
        "Video unavailable",
        "This video is no longer available due to a copyright claim by Somebody",
        "gone",
        "copyright",
    ),
    (
        "LOGIN_REQUIRED",
        "Private video",
        "Sign in if you've been granted access to this video",
        "gone",
        "private",
    ),
    ("ERROR", "This video is private", "", "gone", "private"),
    (
        "UNPLAYABLE",
        "Video unavailable",
        "The uploader has not made this video available in your country",
        "not-here",
        "geo",
    ),
    (
        "UNPLAYABLE",
        "Video unavailable",
        "This video contains content from Somebody, who has blocked it in your country on "
        "copyright grounds",
        "not-here",
        "geo",
    ),
    (
        "LOGIN_REQUIRED",
        "Sign in to confirm your age",
        "This video may be inappropriate for some users.",
        "not-here",
        "age",
    ),
    (
        "UNPLAYABLE",
        "Join this channel to get access to members-only content like this video, and other "
        "exclusive perks.",
        "",
        "not-here",
        "members",
    ),
    ("UNPLAYABLE", "This video requires payment to watch", "", "not-here", "paid"),
    ("LOGIN_REQUIRED", "Please sign in", "", "not-here", "login"),
    (
        "LOGIN_REQUIRED",
        "Sign in to confirm you’re not a bot",
        "This helps protect our community. Learn more",
        "slow-down",
        "bot-check",
    ),
    (
        "UNPLAYABLE",
        "Video unavailable",
        "This content isn't available, try again later.",
        "slow-down",
        "rate-limited",
    ),
    ("LIVE_STREAM_OFFLINE", "Premieres in 3 hours", "", "later", "upcoming"),
    ("LIVE_STREAM_OFFLINE", "This live event will begin in 2 days.", "", "later", "upcoming"),
]
STATE_OF = {"gone": "unavailable", "not-here": "unavailable"}


@pytest.mark.parametrize(("status", "reason", "subreason", "kind", "slug"), SAYINGS)
def test_what_youtube_says_is_understood(
    youtube, catalog_path, make_fetcher, quick_config, status, reason, subreason, kind, slug
):
    youtube.add_unplayable(VIDEO, status, reason, subreason)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
    rate_limit = replace(quick_config.rate_limit, first_pause_s=1e6)
    config = replace(quick_config, rate_limit=rate_limit, wait_s=0.0)
    report = run_download(catalog_path, config, threading.Event(), make_fetcher=make_fetcher)
    with Catalog(catalog_path) as catalog:
        (attempt,) = catalog.claims.history(VIDEO)
        video = catalog.videos.get(VIDEO)
        paused = catalog.sites.get("youtube").paused_until > catalog.clock()
    assert attempt.reason == slug
    assert video.state == STATE_OF.get(kind, "found")
    assert paused is (kind == "slow-down")
    assert video.tries == 0
    assert report.count("unavailable" if kind in STATE_OF else "retry later") == 1


def raised(message, cause=None):
    """An error as yt-dlp raises it: words, with the cause in ``exc_info``."""
    return DownloadError(message, (type(cause), cause, None) if cause else None)


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (raised("unable to download video data", IncompleteRead(5, 10)), "broken", "truncated"),
        (raised("x", TransportError("something new")), "broken", "connection"),
        (raised("x", TransportError("The read operation timed out")), "broken", "timeout"),
        (raised("[Errno 104] Connection reset by peer"), "broken", "connection"),
        (raised("Got error: The read operation timed out"), "broken", "timeout"),
        (raised("Got error: HTTP Error 502: Bad Gateway. Giving up"), "broken", "http-5xx"),
        (raised("HTTP Error 404: Not Found"), "gone", "http-404"),
        (raised("HTTP Error 416: Requested range"), "broken", "http-416"),
        (raised("Did not get any data blocks"), "broken", "empty"),
        (raised("x", IncompleteRead(20_000, 10)), "broken", "truncated"),
        (raised("The downloaded file is empty: 0 bytes"), "broken", "empty"),
        (raised("Your current or parent folder is odd"), "broken", "unknown"),
        (raised("This video is available for rent or purchase"), "not-here", "paid"),
        (raised("Rental or other fees apply"), "not-here", "paid"),
        (raised("Unable to find a design in the catalog in use"), "broken", "unknown"),
        (raised("Please log in"), "not-here", "login"),
        (raised("An image restricted to 20 s"), "broken", "unknown"),
        (raised("He remembers only the corporate limit"), "broken", "unknown"),
        (raised("No lossless stream"), "broken", "unknown"),
        (raised("[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1006)"), "broken", "connection"),
        (raised("TLSV1_ALERT_PROTOCOL_VERSION"), "broken", "connection"),
        (raised("[youtube] 0-age-login: something new"), "broken", "unknown"),
        (raised("[youtube] 0-age-login: Private video"), "gone", "private"),
        (raised("Unsupported URL: https://x.org/copyright/sign in"), "unsuitable", "no-media"),
        (raised("Requested format is not available"), "broken", "no-formats"),
        (raised("This video is DRM protected"), "unsuitable", "drm"),
        (raised("a bug; please report this issue on GitHub: sign in"), "broken", "unknown"),
        (raised("x", OSError(errno.ENOSPC, "No space left")), "local", "disk-full"),
        (PermissionError(errno.EACCES, "Permission denied"), "local", "not-writable"),
        (Unsuitable("license", "no"), "unsuitable", "license"),
        (Damaged("wrong-size", "no"), "broken", "wrong-size"),
        (NotYet("is-live", "no"), "later", "is-live"),
        (ValueError("something else"), "broken", "unknown"),
    ],
)
def test_every_other_failure_has_its_kind(error, kind, reason):
    failure = classify(error)
    assert (failure.kind, failure.reason) == (Kind(kind), reason)


def test_the_reason_is_found_behind_other_exceptions():
    try:
        try:
            raise Damaged("wrong-size", "9 of 10")
        except Damaged as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as outer:
        assert classify(outer).reason == "wrong-size"


def test_a_loop_of_causes_ends():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert classify(first).reason == "unknown"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("\u00b2", None),
        ("9" * 5000, 7 * 86400.0),
        ("Fri, 31 Dec 9998 23:59:59 GMT", 7 * 86400.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    now = 1445412480.0  # 07:28:00
    assert retry_after_s({"Retry-After": value}, lambda: now) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Premieres in 3 hours", 3 * 3600.0),
        ("This live event will begin in 2 days.", 2 * 86400.0),
        ("This live event will begin in a minute", 60.0),
        ("This live event will begin in a few moments.", None),
        ("This live stream is offline", None),
    ],
)
def test_an_announcement_says_how_long_to_wait(text, seconds):
    assert announced_s(text) == seconds


@pytest.mark.parametrize(
    ("saying", "wait_s"),
    [
        ("Premieres in 3 hours", 6 * 3600),
        ("This live event will begin in 2 days.", 2 * 86400),
        ("This live event will begin in 40 days.", 7 * 86400),
    ],
)
def test_what_is_announced_never_wears_out_its_tries(
    youtube, catalog_path, make_fetcher, quick_config, saying, wait_s
):
    youtube.add_unplayable(VIDEO, "LIVE_STREAM_OFFLINE", saying)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
    config = replace(quick_config, retry=RetryPolicy(1, 0.02), wait_s=0.0)
    for _ in range(3):
        report = run_download(catalog_path, config, threading.Event(), make_fetcher=make_fetcher)
        assert dict(report.outcomes) == {("retry later", "upcoming"): 1}
        with Catalog(catalog_path) as catalog:
            assert catalog.videos.get(VIDEO).tries == 0
            assert catalog.claims.next_due_s("download") == pytest.approx(wait_s, abs=60)
            catalog.connection.execute("UPDATE videos SET due_at = 0")


@pytest.mark.parametrize(("begins_at", "wait_s"), [(1500, 500), (900, 0), (None, None)])
def test_a_page_with_the_time_of_a_broadcast_says_how_long_to_wait(begins_at, wait_s):
    failure = classify(NotYet("is-upcoming", "no", begins_at), now=lambda: 1000.0)
    assert failure.retry_after_s == wait_s
