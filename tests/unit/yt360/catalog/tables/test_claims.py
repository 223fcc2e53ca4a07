from __future__ import annotations

import threading

import pytest

from yt360.catalog import Catalog, ClaimLost, Verdict

A, B, C = "aaaaaaaaaaa", "-b_bbbbbbbb", "ccccccccccc"


def test_work_is_handed_out_in_order_of_arrival_and_each_video_once(catalog):
    for video_id in (C, A, B):
        catalog.videos.add(video_id)
    taken = [catalog.claims.take("download", "w") for _ in range(4)]
    assert [claim.video_id for claim in taken[:3]] == [C, A, B]
    assert taken[3] is None


def test_described_videos_are_downloaded_before_unknown_ones(catalog):
    for video_id in (A, B):
        catalog.videos.add(video_id)
    catalog.claims.take("describe", "w")
    catalog.claims.finish(catalog.claims.take("describe", "w"), "wanted")
    assert catalog.claims.take("download", "w").video_id == B


def test_the_claim_of_a_crashed_worker_expires_and_its_result_is_refused(catalog, clock):
    catalog.videos.add(A)
    crashed = catalog.claims.take("download", "first", lease_s=60)
    clock.now += 59
    assert catalog.claims.take("download", "second") is None
    clock.now += 2
    again = catalog.claims.take("download", "second", lease_s=60)
    assert again.video_id == A
    for attempt in (
        lambda: catalog.claims.finish(crashed, "downloaded"),
        lambda: catalog.claims.renew(crashed),
        lambda: catalog.claims.release(crashed),
        lambda: catalog.claims.defer(crashed, 1.0, "x", "x"),
    ):
        with pytest.raises(ClaimLost):
            attempt()
    catalog.claims.finish(again, "downloaded")
    history = [(a.worker, a.outcome) for a in catalog.claims.history(A)]
    assert history == [("first", "expired"), ("second", "downloaded")]


def test_an_inspection_that_never_ended_counts_as_a_try_but_a_download_does_not(catalog, clock):
    catalog.videos.add(A)
    for expected in (0, 0):
        claim = catalog.claims.take("download", "w", lease_s=1)
        assert claim.tries == expected
        clock.now += 2
    catalog.claims.finish(claim, "downloaded")
    for expected in (0, 1, 2):
        assert catalog.claims.take("inspect", "w", lease_s=1).tries == expected
        clock.now += 2


def test_a_result_that_comes_too_late_leaves_no_trace(catalog, clock):
    catalog.videos.add(A)
    late = catalog.claims.take("inspect", "w") or catalog.claims.take("download", "w", lease_s=1)
    clock.now += 2
    catalog.claims.take("download", "other")
    with pytest.raises(ClaimLost), catalog.transaction():
        catalog.verdicts.put(A, Verdict(kind="silence", verdict="pass"))
        catalog.claims.finish(late, "accepted")
    assert catalog.verdicts.of(A) == {}


def test_a_renewed_claim_does_not_expire(catalog, clock):
    catalog.videos.add(A)
    claim = catalog.claims.take("download", "w", lease_s=60)
    for _ in range(5):
        clock.now += 50
        catalog.claims.renew(claim, lease_s=60)
    assert catalog.claims.take("download", "other") is None


def test_a_deferred_video_waits_and_counts_its_tries(catalog, clock):
    catalog.videos.add(A)
    catalog.claims.defer(catalog.claims.take("download", "w"), 100.0, "http-403", "no")
    assert catalog.claims.take("download", "w") is None
    assert catalog.claims.next_due_s("download") == pytest.approx(100)
    clock.now += 100
    assert catalog.claims.take("download", "w").tries == 1


def test_a_released_video_is_due_at_once_and_counts_no_try(catalog):
    catalog.videos.add(A)
    catalog.claims.release(catalog.claims.take("download", "w"))
    assert catalog.claims.take("download", "w").tries == 0


def test_only_idle_videos_are_queued_again(catalog):
    for video_id in (A, B):
        catalog.videos.add(video_id)
    catalog.claims.finish(catalog.claims.take("download", "w"), "failed", "http-403", "no")
    catalog.claims.take("download", "w")
    assert catalog.videos.requeue([A, B]) == 1
    assert (catalog.videos.get(A).state, catalog.videos.get(A).reason) == ("found", None)


def test_threads_that_claim_at_the_same_time_never_get_the_same_video(tmp_path):
    path = tmp_path / "my.catalog"
    ids = [f"video{number:06d}" for number in range(60)]
    with Catalog(path, create=True) as catalog:
        for video_id in ids:
            catalog.videos.add(video_id)
    taken: list[str] = []

    def work() -> None:
        with Catalog(path) as own:
            while claim := own.claims.take("download", "w"):
                taken.append(claim.video_id)
                own.claims.finish(claim, "downloaded")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids
