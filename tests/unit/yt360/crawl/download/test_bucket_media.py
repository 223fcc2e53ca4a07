"""Downloads into a bucket: moto's S3 on loopback."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner
from helpers.in_process import InlinePool
from helpers.s3_server import DENIED, running

from yt360.buckets.cache import cache_folder
from yt360.catalog import Catalog
from yt360.catalog.lists.yt360_lists import import_urls
from yt360.cli import cli
from yt360.crawl.download.remote.driver import run_on_executor
from yt360.crawl.download.settlement import Settlement
from yt360.errors import UserError
from yt360.execution.executor import LocalExecutor
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.catalog_run import inspect_catalog

VIDEO = "-abcdefghi_"


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


@pytest.fixture
def url(server, catalog_path, tmp_path, monkeypatch):
    """The media folder of the catalog in a bucket."""
    server.set_environment(monkeypatch.setenv)
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "cache"))
    url = f"s3://{server.new_bucket()}/media"
    with Catalog(catalog_path) as catalog:
        catalog.set_media(url)
    return url


def objects(server, url):
    bucket = server.objects(url)
    found = {name: bucket.read(name).content for name in bucket.sizes()}
    del found[".yt360-media"]
    return found


def local_files():
    folder = cache_folder() / "media"
    return [path for path in folder.glob("*/*/*/*/*") if path.is_file()]


def test_files_are_uploaded_recorded_and_then_removed_here(
    url, server, ready_video, download, catalog_path, picture_bytes, sound_bytes
):
    ready_video(VIDEO)
    report = download(VIDEO)
    assert dict(report.outcomes) == {("downloaded", ""): 1}
    with Catalog(catalog_path) as catalog:
        stored = objects(server, url)
        recorded = [stored[file.path] for file in catalog.files.of(VIDEO)]
        assert catalog.media_url == url
    assert recorded == [picture_bytes, sound_bytes] and len(stored) == 3
    assert not local_files()


def test_workers_of_an_executor_upload_too(
    url, server, youtube, picture_bytes, catalog_path, quick_config, tmp_path
):
    youtube.media["/media/film.mp4"] = picture_bytes
    with Catalog(catalog_path) as catalog:
        import_urls(catalog, [youtube.url + "/media/film.mp4"])
    config = replace(quick_config, wait_s=0.0)
    for number in range(2):
        report = run_on_executor(catalog_path, config, LocalExecutor(), threading.Event())
        assert report.stopped is None
        assert dict(report.outcomes) == {("downloaded", ""): 1}
        stored = objects(server, url)
        with Catalog(catalog_path) as catalog:
            (video,) = catalog.videos.select()
            (file,) = catalog.files.of(video.video_id)
            assert stored[file.path] == picture_bytes and len(stored) == 2, number
            catalog.videos.requeue([video.video_id])
        assert not local_files()


def test_a_bucket_that_cannot_be_written_ends_the_run_and_keeps_the_files(
    url, server, ready_video, download, catalog_path, youtube, outcomes
):
    picture, _ = ready_video(VIDEO)
    server.fail(DENIED, "PUT", VIDEO, times=99)
    report = download(VIDEO)
    server.faults.clear()
    assert url in report.stopped and "\n" not in report.stopped
    assert outcomes() == [("released", "media-store")]
    assert len(local_files()) == 2
    sent = youtube.sent(picture)
    assert dict(download().outcomes) == {("downloaded", ""): 1}
    assert youtube.sent(picture) == sent and not local_files()


def test_what_a_killed_run_had_uploaded_is_not_fetched_again(
    url, server, ready_video, download, youtube, monkeypatch, catalog_path
):
    class Killed(BaseException):
        pass

    def kill(*_arguments):
        raise Killed

    picture, _ = ready_video(VIDEO)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Settlement, "store", kill)
        download(VIDEO)
    assert len(objects(server, url)) == 3
    with Catalog(catalog_path) as catalog:
        catalog.connection.execute("UPDATE videos SET due_at = 0")  # its lease ran out
        assert not catalog.files.of(VIDEO)
    sent, puts = youtube.sent(picture), len([1 for method, _ in server.requests if method == "PUT"])
    assert dict(download().outcomes) == {("downloaded", ""): 1}
    assert youtube.sent(picture) == sent
    assert len([1 for method, _ in server.requests if method == "PUT"]) == puts


def test_inspection_reads_the_same_from_a_bucket_as_from_a_folder(
    url, ready_video, download, catalog_path, tmp_path
):
    ready_video(VIDEO)

    def verdicts():
        inspect_catalog(
            catalog_path,
            CatalogRunConfig(workers=1),
            lambda _: None,
            make_pool=lambda *_: InlinePool(),
        )
        with Catalog(catalog_path) as catalog:
            video = catalog.videos.get(VIDEO)
            return video.state, video.reason, video.detail, catalog.verdicts.of(VIDEO)

    download(VIDEO)
    remote = verdicts()
    with Catalog(catalog_path) as catalog:
        catalog.files.clear(VIDEO)
        catalog.set_media(tmp_path / "my-media")
        catalog.videos.requeue([VIDEO])
    download()
    assert verdicts() == remote and remote[0] in ("accepted", "rejected")


def test_dropped_videos_are_deleted_from_the_bucket(
    url, server, ready_video, download, catalog_path
):
    ready_video(VIDEO)
    download(VIDEO)
    arguments = ["catalog", "drop", str(catalog_path), "--delete-media", "--", VIDEO]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert not objects(server, url)


def test_a_catalog_of_somebody_else_causes_no_request(
    url, catalog_path, server, tmp_path, monkeypatch
):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "of-another-machine"))
    before = len(server.requests)
    with Catalog(catalog_path) as catalog:
        with pytest.raises(UserError) as caught:
            _ = catalog.media
        assert caught.value.code == "forbidden"
        with pytest.raises(UserError):
            catalog.make_media()
        assert len(server.requests) == before
        catalog.set_media(url)
        assert catalog.media.is_dir()


def test_media_do_not_move_between_folders_and_buckets(
    url, ready_video, download, catalog_path, tmp_path
):
    ready_video(VIDEO)
    download(VIDEO)
    with Catalog(catalog_path) as catalog:
        for place in (tmp_path / "here", url + "-2"):
            with pytest.raises(UserError) as caught:
                catalog.set_media(place)
            assert caught.value.code == "conflict"
        catalog.set_media(url)
        assert catalog.media_url == url


@pytest.mark.parametrize("place", ["s3://bucket", "https://host/folder"])
def test_addresses_that_cannot_hold_media_are_refused(catalog_path, place):
    with Catalog(catalog_path) as catalog:
        with pytest.raises(UserError) as caught:
            catalog.set_media(place)
        assert caught.value.key == place and catalog.media_url is None


def test_the_list_in_the_bucket_is_of_names_alone(url, server, ready_video, download):
    ready_video(VIDEO)
    download(VIDEO)
    (content,) = [each for name, each in objects(server, url).items() if name.endswith(".json")]
    assert all("/" not in name for name in json.loads(content)["files"])
