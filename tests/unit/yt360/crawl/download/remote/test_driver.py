"""Runs whose workers are processes of an executor, on addresses of media files on loopback."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import replace

import pytest

from yt360.catalog import Catalog
from yt360.catalog.ids import id_of_url
from yt360.catalog.lists.yt360_lists import import_urls
from yt360.crawl.download.remote.driver import AGAIN, RUN_FOLDER, run_on_executor
from yt360.crawl.download.remote.fetch_task import FetchResult, fetch_video
from yt360.crawl.download.video_folder import folder_lock, video_folder
from yt360.crawl.rate_limit import SiteRefuses
from yt360.errors import UserError
from yt360.execution.executor import LocalExecutor
from yt360.execution.local import Crashed
from yt360.locks import Locked, exclusive_lock
from yt360.retry import RetryPolicy


class HereExecutor:
    """Runs tasks in this process, one after another.

    Attributes:
        tasks: The tasks that were run.
        crashes: Number of tasks whose worker crashes, from now on.
    """

    default_workers = 1

    def __init__(self):
        self.tasks, self.crashes = [], 0

    @contextmanager
    def pool(self, _workers, _limits=None):
        yield self

    def run(self, function, tasks: deque):
        while tasks:
            task = tasks.popleft()
            self.tasks.append(task)
            if self.crashes:
                self.crashes -= 1
                yield task, Crashed(-signal.SIGKILL)
            else:
                yield task, function(task)


@pytest.fixture
def here():
    return HereExecutor()


@pytest.fixture
def urls(youtube, picture_bytes, catalog_path):
    """Put three addresses of plain media files into the catalog."""
    addresses = []
    for number in range(3):
        path = f"/media/film-{number}.mp4"
        youtube.media[path] = picture_bytes
        addresses.append(youtube.url + path)
    with Catalog(catalog_path) as catalog:
        import_urls(catalog, addresses)
    return addresses


@pytest.fixture
def run(catalog_path, quick_config):
    """Return a function that runs the download once on an executor, and returns its report."""

    def run_once(executor, fetch=fetch_video, stop=None, **changes):
        config = replace(quick_config, **{"wait_s": 1.0, **changes})
        return run_on_executor(
            catalog_path, config, executor, stop or threading.Event(), fetch=fetch
        )

    return run_once


def states(catalog_path):
    with Catalog(catalog_path) as catalog:
        return [(video.state, video.reason) for video in catalog.videos.select()]


def contents(catalog_path, urls):
    with Catalog(catalog_path) as catalog:
        return [
            [(catalog.media / file.path).read_bytes() for file in catalog.files.of(id_of_url(url))]
            for url in urls
        ]


def test_worker_processes_fetch_what_one_process_does(
    run, urls, youtube, catalog_path, picture_bytes, here, download
):
    report = run(LocalExecutor(), workers=2)
    assert dict(report.outcomes) == {("downloaded", ""): 3}
    assert contents(catalog_path, urls) == [[picture_bytes]] * 3
    with Catalog(catalog_path) as catalog:
        assert not list((catalog.media / RUN_FOLDER).glob("*.json"))
        facts = [catalog.videos.get(id_of_url(url)) for url in urls]
        catalog.videos.requeue([id_of_url(url) for url in urls])
        for url in urls:
            catalog.files.clear(id_of_url(url))
    asked = len(youtube.log)
    download()  # threads of this process
    with Catalog(catalog_path) as catalog:
        assert [catalog.videos.get(id_of_url(url)) for url in urls] == facts
    assert len(youtube.log) == asked + 3, "pages alone: the files are complete"


def test_a_worker_that_crashes_costs_an_attempt(run, urls, here, catalog_path, outcomes):
    here.crashes = 1
    report = run(here)
    assert dict(report.outcomes) == {("downloaded", ""): 3}
    assert outcomes(id_of_url(urls[0])) == [("deferred", "crash"), ("downloaded", None)]
    here.crashes = 2
    with Catalog(catalog_path) as catalog:
        catalog.videos.requeue([id_of_url(urls[1])])
    run(here, retry=RetryPolicy(2, 0.01))
    assert sorted(states(catalog_path)) == [
        ("downloaded", None), ("downloaded", None), ("failed", "crash")
    ]  # fmt: skip


def test_a_429_pauses_the_site_for_all_workers(
    run, urls, youtube, here, catalog_path, outcomes, quick_config
):
    youtube.script["/media/film-0.mp4"] = ["429:0"]
    report = run(here)
    assert dict(report.outcomes) == {("downloaded", ""): 3}
    assert outcomes(id_of_url(urls[0])) == [("deferred", "http-429"), ("downloaded", None)]


def test_a_site_that_demands_a_long_pause_ends_the_run_and_keeps_the_queue(
    run, urls, youtube, here, catalog_path, outcomes, quick_config
):
    youtube.script["/media/film-0.mp4"] = ["429:5000"]
    rate_limit = replace(quick_config.rate_limit, max_wait_s=60)
    report = run(here, workers=2, rate_limit=rate_limit)
    assert "83 more minutes" in report.stopped
    assert [outcomes(id_of_url(url)) for url in urls[:2]] == [
        [("deferred", "http-429")], [("released", "interrupted")]
    ]  # fmt: skip
    assert len(here.tasks) == 1, "nothing was handed out after the answer"


def test_a_full_disk_of_a_worker_ends_the_run(run, urls, here, quick_config, catalog_path):
    transfer = replace(quick_config.transfer, min_free_bytes=1e18)
    report = run(here, transfer=transfer)
    assert "GB are free" in report.stopped
    assert states(catalog_path) == [("found", "disk-full"), ("found", None), ("found", None)]
    assert len(here.tasks) == 1


def test_new_files_replace_recorded_ones_only_when_they_are_complete(
    run, urls, youtube, here, catalog_path, picture_bytes
):
    run(here)
    video_id = id_of_url(urls[0])
    with Catalog(catalog_path) as catalog:
        home = catalog.media / video_folder(video_id)
        (file,) = catalog.files.of(video_id)
        catalog.files.clear(video_id)
        (catalog.media / file.path).rename(home / "old.mp4")
        catalog.files.put(video_id, replace(file, path=str(video_folder(video_id) / "old.mp4")))
        catalog.videos.requeue([video_id])
    youtube.script["/media/film-0.mp4"] = ["404"]
    run(here)
    assert (home / "old.mp4").exists() and here.tasks[-1].folder.name == AGAIN
    with Catalog(catalog_path) as catalog:
        assert catalog.videos.get(video_id).state == "unavailable"
        catalog.videos.requeue([video_id])
    run(here)
    assert [each.name for each in home.iterdir()] == [file.path.rpartition("/")[2]]
    assert contents(catalog_path, urls[:1]) == [[picture_bytes]]


def test_the_claims_of_an_interrupted_run_are_released(run, urls, here, catalog_path, outcomes):
    def fetch(_task):
        raise KeyboardInterrupt

    report = run(here, fetch=fetch, workers=3)
    assert report.interrupt is not None
    assert [outcomes(id_of_url(url)) for url in urls] == [[("released", "interrupted")]] * 3
    assert dict(run(here).outcomes) == {("downloaded", ""): 3}


def test_what_an_engine_that_goes_away_had_in_its_hands_is_released(run, urls, here, outcomes):
    def fetch(_task):
        raise UserError("the cluster is gone", "network")

    with pytest.raises(UserError) as caught:
        run(here, fetch=fetch)
    assert caught.value.code == "network" and not isinstance(caught.value, SiteRefuses)
    assert outcomes(id_of_url(urls[0])) == [("released", "interrupted")]


def test_a_worker_that_does_not_see_the_run_costs_an_attempt(run, urls, here, catalog_path):
    run(here, fetch=lambda _: FetchResult(), retry=RetryPolicy(2, 0.01), limit=1)
    assert ("failed", "no-driver") in states(catalog_path)


def test_a_folder_that_another_process_uses_is_left_to_it(run, urls, here, catalog_path, outcomes):
    video_id = id_of_url(urls[0])
    with Catalog(catalog_path) as catalog:
        folder = catalog.make_media() / video_folder(video_id)
    with folder_lock(folder):
        run(here, wait_s=0.0)
    assert outcomes(video_id) == [("deferred", "busy")]


def test_pages_alone_are_read_without_touching_recorded_files(run, urls, here, catalog_path):
    run(here)
    with Catalog(catalog_path) as catalog:
        catalog.videos.requeue([id_of_url(url) for url in urls])
        before = contents(catalog_path, urls)
    run(here, describe_only=True)
    assert contents(catalog_path, urls) == before and len(before[0]) == 1


def test_two_runs_with_workers_elsewhere_exclude_each_other(run, urls, here, catalog_path):
    with Catalog(catalog_path) as catalog:
        lock = catalog.make_media() / RUN_FOLDER / "lock"
    with exclusive_lock(lock), pytest.raises(Locked):
        run(here)
    assert not here.tasks


def test_slots_of_a_site_are_refused(run, here):
    with pytest.raises(UserError) as caught:
        run(here, per_site=1)
    assert (caught.value.code, caught.value.key) == ("conflict", "--per-site")


def die(task):
    """Kill the worker process of the first attempt in the middle of its work."""
    marker = task.beacon.parent / "died"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return fetch_video(task)


def test_a_killed_worker_process_loses_nothing(run, urls, catalog_path, picture_bytes):
    report = run(LocalExecutor(), fetch=die)
    assert dict(report.outcomes) == {("downloaded", ""): 3}
    assert contents(catalog_path, urls) == [[picture_bytes]] * 3
