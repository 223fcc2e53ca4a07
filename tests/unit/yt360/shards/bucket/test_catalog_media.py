"""A build from a catalog whose media are in a bucket has the bytes of a build from a folder."""

from __future__ import annotations

import shutil

import pytest
from helpers.in_process import InlinePool
from helpers.s3_server import running

from yt360.buckets.copies import bucket_of
from yt360.buckets.media import upload_video
from yt360.catalog import Catalog, Clip, MediaFile
from yt360.catalog.build_inputs import catalog_inputs
from yt360.shards.builder.build import build_shards

VIDEOS = ["aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"]


def fill(catalog, fake, media):
    """Add accepted videos with their clips and files; return (folder, name) of each."""
    for number, video_id in enumerate(VIDEOS):
        place, name = f"{video_id[:2]}/{video_id}", f"{video_id}.both.mp4"
        fake.write(media / place / name, 25 + 10 * number, size=3000)
        catalog.videos.add(video_id, channel_id=f"UC{number}")
        size = (media / place / name).stat().st_size
        catalog.files.put(video_id, MediaFile(role="both", path=f"{place}/{name}", bytes=size))
        catalog.clips.put(video_id, *(Clip(start_s=start, origin="inspected") for start in (0, 10)))
        catalog.videos.settle(video_id, "accepted", None, None)
        yield place, name


@pytest.mark.parametrize("cache_gb", ["1", "0.0000001"])
def test_a_build_from_a_bucket_has_the_bytes_of_one_from_a_folder(
    fake, tmp_path, monkeypatch, cache_gb
):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", cache_gb)
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "cache"))
    media = tmp_path / "c-media"
    with Catalog(tmp_path / "c", create=True) as catalog:
        places = list(fill(catalog, fake, media))
        inputs = catalog_inputs(catalog)
        build_shards(inputs, tmp_path / "local", fake.options, make_pool=fake.pool)
        catalog_files = {video_id: catalog.files.of(video_id) for video_id in VIDEOS}
        with running() as server:
            server.set_environment(monkeypatch.setenv)
            url = f"s3://{server.new_bucket()}/media"
            for video_id in VIDEOS:
                catalog.files.clear(video_id)
            catalog.set_media(url)
            for video_id, (place, name) in zip(VIDEOS, places, strict=True):
                upload_video(bucket_of(url), place, media / place, [name])
                catalog.files.put(video_id, *catalog_files[video_id])
            shutil.rmtree(media)
            inputs = catalog_inputs(catalog)
            build_shards(inputs, tmp_path / "remote", fake.options, make_pool=fake.pool)
    assert fake.tree(tmp_path / "remote") == fake.tree(tmp_path / "local")
    assert isinstance(fake.pool(1), InlinePool)
    kept = list((tmp_path / "cache").glob("media/*/copies/*/*/*.mp4"))
    assert len(kept) == (3 if cache_gb == "1" else 1)
