"""Duplicates in a catalog whose media are in a bucket: moto's S3 on loopback."""

from __future__ import annotations

import shutil

import pytest
from helpers.in_process import InlinePool
from helpers.panoramas import write_media
from helpers.s3_server import DENIED, running

from yt360.buckets.copies import bucket_of
from yt360.buckets.media import LIST_FILE, upload_video
from yt360.catalog import Catalog
from yt360.catalog.records import MediaFile
from yt360.duplicates.config import DedupConfig
from yt360.duplicates.groups import folder_of_catalog
from yt360.duplicates.report import write_report
from yt360.duplicates.run import dedup, open_inputs
from yt360.errors import UserError

VIDEOS = ["aaaaaaaaaaa", "bbbbbbbbbbb"]


def place_of(video_id):
    return f"{video_id[:2]}/{video_id}"


def write_video(media, video_id, **form):
    """Write the media of a video to its place; return the records of its files."""
    folder = media / place_of(video_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return [
        MediaFile(role=role, path=path.relative_to(media).as_posix(), bytes=path.stat().st_size)
        for role, path in zip(("video", "sound"), write_media(folder, **form), strict=True)
    ]


@pytest.fixture
def catalogs(tmp_path):
    """Return a function that makes a catalog of a video and its turned copy, and its media."""

    def make(name):
        path, media = tmp_path / name, tmp_path / f"{name}-media"
        with Catalog(path, create=True) as catalog:
            files = [write_video(media, id_, columns=20 * i) for i, id_ in enumerate(VIDEOS)]
            for video_id in VIDEOS:
                catalog.videos.add(video_id)
                catalog.videos.settle(video_id, "accepted", None, None)
                catalog.videos.state_media(video_id, "ambix", "equirectangular")
        return path, media, dict(zip(VIDEOS, files, strict=True))

    return make


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "cache"))
    with running() as server:
        server.set_environment(monkeypatch.setenv)
        yield server


@pytest.fixture
def in_bucket(catalogs, server):
    """Return a catalog with media in a bucket, a folder with the same media, and the bucket."""
    path, media, files = catalogs("remote")
    url = f"s3://{server.new_bucket()}/media"
    with Catalog(path) as catalog:
        catalog.set_media(url)
        for video_id, records in files.items():
            upload(url, media, video_id)
            catalog.files.put(video_id, *records)
    return path, media, url


def upload(url, media, video_id):
    folder = media / place_of(video_id)
    names = sorted(path.name for path in folder.iterdir())
    upload_video(bucket_of(url), place_of(video_id), folder, names)


def run(path):
    report = dedup(open_inputs(path), DedupConfig(), make_pool=InlinePool)
    folder = folder_of_catalog(path)
    return report, {name: (folder / name).read_bytes() for name in ("pairs.parquet", "groups.json")}


def fetched(server):
    """Return the media that were fetched since the last call."""
    names = [path.split("/")[-1] for method, path in server.requests if method == "GET"]
    server.requests.clear()
    return sorted(name for name in names if name.startswith("video."))


def test_pairs_and_pictures_are_those_of_a_local_folder(
    in_bucket, catalogs, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", "0.0000001")
    local, _, files = catalogs("local")
    with Catalog(local) as catalog:
        for video_id, records in files.items():
            catalog.files.put(video_id, *records)
    path, media, _ = in_bucket
    shutil.rmtree(media)
    pages = []
    results = []
    for each in (local, path):
        report, result = run(each)
        write_report(report, tmp_path / "pairs.html", make_pool=InlinePool)
        pages.append((tmp_path / "pairs.html").read_bytes())
        results.append((report.recordings, report.groups, report.skipped, result))
    assert results[0] == results[1] and pages[0] == pages[1]
    assert results[1][:3] == (2, (tuple(VIDEOS),), ()) and b"data:image/jpeg" in pages[1]


def test_only_media_with_a_new_checksum_are_fetched_again(in_bucket, server, tmp_path):
    path, media, url = in_bucket
    run(path)
    assert fetched(server) == ["video.mp4"] * 2 + ["video.wav"] * 2
    shutil.rmtree(tmp_path / "cache" / "media")
    with Catalog(path) as catalog:
        catalog.set_media(url)
    run(path)
    assert not fetched(server)
    write_video(media, VIDEOS[0], crf=40)
    upload(url, media, VIDEOS[0])
    assert run(path)[0].recordings == 2
    assert fetched(server) == ["video.mp4", "video.wav"]


def test_a_video_that_the_bucket_does_not_list_is_skipped_until_it_does(in_bucket, server):
    path, media, url = in_bucket
    bucket_of(url).delete(f"{place_of(VIDEOS[0])}/{LIST_FILE}")
    report, _ = run(path)
    assert report.recordings == 1 and [each.name for each in report.skipped] == ["video.mp4"]
    upload(url, media, VIDEOS[0])
    assert run(path)[0].recordings == 2


def test_a_bucket_that_cannot_be_read_ends_the_run_with_one_line(in_bucket, server):
    path, _, url = in_bucket
    server.fail(DENIED, "GET", "files.json", times=9)
    server.fail(DENIED, "HEAD", "files.json", times=9)
    with pytest.raises(UserError) as caught:
        run(path)
    assert caught.value.code == "system" and url in str(caught.value)
    assert "\n" not in str(caught.value)
