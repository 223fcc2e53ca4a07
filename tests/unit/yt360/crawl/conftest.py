"""Downloads from a YouTube on loopback."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fake_youtube import FakeYouTube, media_bytes, send_to
from helpers.in_process import in_process

from yt360.catalog import Catalog
from yt360.crawl.download.config import DownloadConfig, TransferOptions
from yt360.crawl.download.fetch import Fetcher
from yt360.crawl.download.plan import Selection
from yt360.crawl.download.run import run_download
from yt360.crawl.rate_limit import RateLimitConfig, RateLimiter
from yt360.crawl.search.filters import Filters
from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.options import ClientOptions
from yt360.retry import RetryPolicy


@pytest.fixture
def youtube() -> Iterator[FakeYouTube]:
    server = FakeYouTube()
    yield server
    server.close()


@pytest.fixture
def send_to_loopback(youtube: FakeYouTube):
    """A method for sessions that finds YouTube on loopback; everything else in them is real."""
    return send_to(youtube.url)


@pytest.fixture
def make_client(send_to_loopback):
    """Make sessions that find YouTube on loopback, and ask one player client only."""

    class LoopbackClient(YoutubeClient):
        send = send_to_loopback

        def __init__(self, options, limiter, stop, parameters=None, turn_page=None) -> None:
            clients = {"youtube": {"player_client": ["visionos"], "player_skip": ["webpage"]}}
            parameters = {"extractor_args": clients, "extractor_retries": 0, **(parameters or {})}
            super().__init__(options, limiter, stop, parameters, turn_page)

    return LoopbackClient


@pytest.fixture
def catalog_path(tmp_path: Path) -> Path:
    path = tmp_path / "my.catalog"
    Catalog(path, create=True).close()
    return path


@pytest.fixture
def client_options(youtube: FakeYouTube) -> ClientOptions:
    return ClientOptions(allow_urls=(youtube.url + "/media/",), timeout_s=5.0)


@pytest.fixture
def quick_config(client_options: ClientOptions) -> DownloadConfig:
    """A run without pauses that would make tests slow."""
    return DownloadConfig(
        workers=1,
        lease_s=60.0,
        retry=RetryPolicy(5, 0.02),
        wait_s=4.0,
        rate_limit=RateLimitConfig(interval_s=0.0, first_pause_s=0.05, max_errors=50),
        client=client_options,
        selection=Selection(filters=Filters(min_duration_s=1.0)),
        transfer=TransferOptions(retry=RetryPolicy(3, 0.01), min_free_bytes=0),
    )


@pytest.fixture
def limiter(catalog_path: Path) -> Iterator[RateLimiter]:
    with Catalog(catalog_path) as catalog:
        yield RateLimiter(
            catalog, RateLimitConfig(interval_s=0.0), threading.Event(), random.Random(0)
        )


@pytest.fixture
def make_fetcher(make_client):
    """Make fetchers of those clients, which read files in this process."""
    return partial(Fetcher, make_client=make_client, isolate=in_process)


@pytest.fixture
def download(catalog_path, make_fetcher, quick_config):
    """Return a function that adds videos, runs the download once, and returns its report.

    Its keywords change the configuration and the fetcher.
    """

    def run(*video_ids, stop=None, fetcher=make_fetcher, **changes):
        with Catalog(catalog_path) as catalog:
            for video_id in video_ids:
                catalog.videos.add(video_id)
        config = replace(quick_config, **changes)
        return run_download(
            catalog_path,
            config,
            stop or threading.Event(),
            make_fetcher=fetcher,
        )

    return run


@pytest.fixture
def content(catalog_path):
    """Return a function that gives the bytes of a video's files, picture first."""

    def read(video_id="-abcdefghi_"):
        with Catalog(catalog_path) as catalog:
            return [(catalog.media / file.path).read_bytes() for file in catalog.files.of(video_id)]

    return read


@pytest.fixture
def video(catalog_path):
    def read(video_id="-abcdefghi_"):
        with Catalog(catalog_path) as catalog:
            return catalog.videos.get(video_id)

    return read


@pytest.fixture
def outcomes(catalog_path):
    def read(video_id="-abcdefghi_"):
        with Catalog(catalog_path) as catalog:
            return [(a.outcome, a.reason) for a in catalog.claims.history(video_id)]

    return read


@pytest.fixture(scope="session")
def picture_bytes() -> bytes:
    return media_bytes("mp4", 4.0, has_video=True, has_audio=False)


@pytest.fixture(scope="session")
def sound_bytes() -> bytes:
    return media_bytes("matroska", 4.0, has_video=False, has_audio=True)


@pytest.fixture(scope="session")
def long_bytes() -> tuple[bytes, bytes]:
    """Picture and sound of 60 s."""
    return (
        media_bytes("mp4", 60.0, has_video=True, has_audio=False),
        media_bytes("matroska", 60.0, has_video=False, has_audio=True),
    )


@pytest.fixture(scope="session")
def long_bytes_with_one_key_frame(long_bytes) -> tuple[bytes, bytes]:
    """Picture and sound of 60 s."""
    return media_bytes("mp4", 60.0, has_video=True, has_audio=False, key_frame_s=60), long_bytes[1]


@pytest.fixture
def ready_video(youtube: FakeYouTube, picture_bytes: bytes, sound_bytes: bytes):
    """Return a function that puts a 360° video with ambisonic sound on the server."""

    def add(video_id: str, content=(picture_bytes, sound_bytes), **more) -> tuple[str, str]:
        return youtube.add_spatial_video(video_id, content, **more)

    return add
