"""The task of a worker on any machine: fetch one video and return what came of it.

The task knows no catalog. It writes to a folder that belongs to the video, where nothing counts
until the driver records it; a folder that was left half-way is continued.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from yt360.crawl.download.bucket_media import upload
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.fetch import Fetched, Fetcher
from yt360.crawl.download.remote.beacon import BeaconReader
from yt360.crawl.download.remote.shared_pace import SharedPace
from yt360.crawl.failures import Failure
from yt360.crawl.rate_limit import Interrupted, RateLimitConfig
from yt360.locks import Locked


@dataclass(frozen=True)
class FetchTask:
    """One video to fetch.

    Attributes:
        token: Token of the claim that the driver holds.
        video_id: Id of the video.
        url: Its page.
        folder: Absolute folder of its files, which all machines see.
        clip_starts_s: Start times of the known clips.
        beacon: The file of the run, see `Beacon`.
        config: Options of the run.
        media_url: The media folder in a bucket, to which the files are uploaded; None for a local
            one.
    """

    token: str
    video_id: str
    url: str
    folder: Path
    clip_starts_s: tuple[int, ...]
    beacon: Path
    config: DownloadConfig
    media_url: str | None = None


@dataclass(frozen=True)
class FetchResult:
    """What came of a task; nothing if the worker stopped because the run seemed to have ended.

    Attributes:
        fetched: Facts and files; None if it failed.
        failure: Why it failed, with an answer of the site or of this machine.
        busy: Which process uses the folder, if one does.
        facts: What the page says of a video that was not fetched.
    """

    fetched: Fetched | None = None
    failure: Failure | None = None
    busy: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def fetch_video(task: FetchTask, make_fetcher: Callable[..., Fetcher] = Fetcher) -> FetchResult:
    """Carry out a task; no exception of it leaves the function."""
    config = task.config
    reader, pace = _link(task.beacon, config.rate_limit, config.workers)
    fetcher = make_fetcher(
        config.worker_client, config.selection, config.transfer, pace, threading.Event()
    )
    try:
        pace.sleep(0.0)
        fetcher.check_site(task.url)
        if config.describe_only:
            facts = fetcher.describe(task.video_id, task.url, task.folder)
            return FetchResult(Fetched(facts, ()))
        fetched = fetcher.fetch(
            task.video_id, task.url, task.folder, task.clip_starts_s, check_claim=reader.check
        )
        upload(task.media_url, task.video_id, task.folder, fetched, reader.check)
        return FetchResult(fetched)
    except Interrupted:
        return FetchResult(facts=fetcher.facts())
    except Locked as error:
        return FetchResult(busy=str(error), facts=fetcher.facts())
    except Exception as error:
        return FetchResult(failure=fetcher.failure(error), facts=fetcher.facts())


@lru_cache(1)
def _link(beacon: Path, limits: RateLimitConfig, workers: int) -> tuple[BeaconReader, SharedPace]:
    """Return what a worker process keeps from task to task of a run: its link and its pace."""
    reader = BeaconReader(beacon)
    return reader, SharedPace(reader, limits, workers, random.Random())
