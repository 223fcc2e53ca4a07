"""A worker that loses its claim drops that video and works on."""

from __future__ import annotations

import threading

import pytest

from yt360.catalog import Catalog
from yt360.crawl.download.worker import Worker
from yt360.crawl.rate_limit import Interrupted, SiteRefuses

LOST, OTHER = "lost_video_", "other_video"


@pytest.fixture
def lose(monkeypatch, catalog_path, ready_video):
    """Return a function: the claim on `LOST` goes to another worker, and then its fetch fails so.

    The other video is fetched as ever.
    """
    ready_video(LOST)
    ready_video(OTHER)
    fetch = Worker._fetch

    def install(error, before=lambda: None):
        def fetch_or_lose(worker, claim):
            if claim.video_id != LOST:
                return fetch(worker, claim)
            with Catalog(catalog_path) as catalog:
                catalog.connection.execute(
                    "UPDATE videos SET due_at = 0, state = 'wanted' WHERE video_id = ?", (LOST,)
                )
                assert catalog.claims.take("download", "another", 1000).video_id == LOST
            before()
            raise error

        monkeypatch.setattr(Worker, "_fetch", fetch_or_lose)

    return install


def the_other_worker_has_it_still(catalog_path):
    with Catalog(catalog_path) as catalog:
        before, now = catalog.claims.history(LOST)
        assert (before.outcome, now.outcome, now.worker) == ("expired", "running", "another")
        assert catalog.videos.get(LOST).title is None
    return True


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset by peer"),
        ValueError("HTTP Error 403: Forbidden"),
        ValueError("HTTP Error 429: Too Many Requests"),
        ValueError("Premieres in 3 hours"),
        ValueError("This video is private"),
        ValueError("no-formats"),
    ],
    ids=str,
)
def test_a_fetch_that_fails_after_its_claim_was_lost_does_not_end_the_run(
    lose, download, catalog_path, error
):
    lose(error)
    report = download(LOST, OTHER, wait_s=0.0)
    assert dict(report.outcomes) == {("lost to another worker", ""): 1, ("downloaded", ""): 1}
    assert report.stopped is None
    assert the_other_worker_has_it_still(catalog_path)


def test_an_interruption_after_a_claim_was_lost_is_an_interruption(lose, download, catalog_path):
    stop = threading.Event()
    lose(Interrupted(), before=stop.set)
    report = download(LOST, OTHER, stop=stop)
    assert not report.outcomes
    assert the_other_worker_has_it_still(catalog_path)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (SiteRefuses("youtube asks to wait"), "youtube asks to wait"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_what_ends_a_run_is_told_though_a_claim_was_lost(lose, download, catalog_path, error, why):
    lose(error)
    report = download(LOST, OTHER)
    assert why in report.stopped
    assert the_other_worker_has_it_still(catalog_path)


def test_a_lease_that_passed_while_nobody_took_the_video_costs_nothing(
    ready_video, download, outcomes, content, catalog_path, monkeypatch
):
    ready_video(LOST)
    take, taken = Worker._fetch, []

    def fetch(worker, claim):
        taken.append(claim)
        if len(taken) == 1:  # as after a night in which the machine slept
            worker._state.renewal._valid_until[claim.token] = 0.0
        return take(worker, claim)

    monkeypatch.setattr(Worker, "_fetch", fetch)
    report = download(LOST, limit=1)
    assert outcomes(LOST) == [("released", "lease-ran-out"), ("downloaded", None)]
    assert dict(report.outcomes) == {("downloaded", ""): 1}
