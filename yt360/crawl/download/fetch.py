"""Downloading one video: yt-dlp carries out a `DownloadPlan` in the video's folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt360.catalog import MediaFile
from yt360.catalog.ids import AllowedSites, check_video_id
from yt360.crawl.download.config import TransferOptions
from yt360.crawl.download.plan import DownloadPlan, Selection
from yt360.crawl.download.transfer_monitor import (
    FreeBytes,
    TransferMonitor,
    check_free_space,
    free_bytes,
)
from yt360.crawl.download.video_folder import check_no_links, folder_lock
from yt360.crawl.failures import Failure, Unsuitable, classify
from yt360.crawl.rate_limit import Pace
from yt360.crawl.sections.planning import COPY_ARGUMENTS
from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.options import ClientOptions
from yt360.errors import UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.media.ffmpeg import ffmpeg_binary


@dataclass(frozen=True)
class Fetched:
    """Facts (keywords of `Videos.update_facts`) and files of a video, relative to its folder."""

    facts: dict[str, Any]
    files: tuple[MediaFile, ...]


class Fetcher:
    """Downloads videos one after another, in one thread.

    Args:
        client_options: Options of yt-dlp.
        selection: What to download.
        transfer: Limits on transfers.
        limiter: The rate limiter of the calling thread.
        stop: Interrupts the download when set.
        make_client: Creates a yt-dlp client.
        measure: Returns the free disk space at a folder.
        isolate: Starts the process that reads downloaded files.
    """

    def __init__(
        self,
        client_options: ClientOptions,
        selection: Selection,
        transfer: TransferOptions,
        limiter: Pace,
        stop: threading.Event,
        make_client: Callable[..., YoutubeClient] = YoutubeClient,
        measure: FreeBytes = free_bytes,
        isolate: Callable[[], IsolatedProcess] = IsolatedProcess,
    ) -> None:
        self._client_options = client_options
        self._selection = selection
        self._transfer = transfer
        self._limiter = limiter
        self._stop = stop
        self._make_client = make_client
        self._measure = measure
        self._isolate = isolate
        self._client: YoutubeClient | None = None
        self._plan: DownloadPlan | None = None

    def describe(self, video_id: str, url: str, folder: Path) -> dict[str, Any]:
        """Return the facts of a video that passes the filters and offers suitable streams.

        Nothing is written. Raises what `fetch` raises.
        """
        self._plan = DownloadPlan(self._selection, check_video_id(video_id), folder)
        self._open(self._plan.parameters()).extract_info(url, download=False)
        return self._plan.facts()

    def fetch(
        self,
        video_id: str,
        url: str,
        folder: Path,
        clip_starts_s: Sequence[int] = (),
        check_claim: Callable[[], None] = lambda: None,
        before_download: Callable[[], None] = lambda: None,
    ) -> Fetched:
        """Download a video into its folder; complete files are kept, partial ones are resumed.

        Args:
            video_id: The video's id, with which the names of the files begin.
            url: Its page, or a media file on an allowed site.
            folder: A folder for this video alone; created when missing.
            clip_starts_s: Start times of the known clips.
            check_claim: Called as data arrives; raises when the claim on the video is lost.
            before_download: Called when the streams are chosen, before any file is used; deletes
                files that must be downloaded again.

        Raises:
            Exception: See `failure`. Partial files are kept for the next attempt.
        """
        check_video_id(video_id)
        plan = DownloadPlan(
            self._selection, video_id, folder, clip_starts_s, before_download, self._isolate
        )
        self._plan = plan
        check_no_links(folder)
        with folder_lock(folder):
            self.check_free_space(folder)
            monitor = TransferMonitor(
                folder, self._transfer, self._stop, check_claim, self._measure
            )
            parameters = {**plan.parameters(), **self._transfer_parameters(monitor)}
            try:
                info = self._open(parameters).extract_info(url, download=True)
                return Fetched(plan.facts(), plan.collect(info))
            except Exception as error:
                if self.failure(error).reason in ("http-416", "too-long"):
                    for part in folder.glob("*.part"):  # longer than the site's file
                        part.unlink()
                raise

    def check_site(self, url: str) -> None:
        """Raise Unsuitable when a URL is on no site that may be asked."""
        try:
            AllowedSites(self._client_options.allow_urls).check(url)
        except UserError as error:
            raise Unsuitable("forbidden-site", str(error)) from error

    def check_free_space(self, folder: Path) -> None:
        """Raise OSError (ENOSPC) when too little disk space is free at a folder."""
        check_free_space(folder, self._transfer.min_free_bytes, self._measure)

    def facts(self) -> dict[str, Any]:
        """Return the facts from the page of the last `describe` or `fetch`, even if it failed."""
        return self._plan.facts() if self._plan else {}

    def failure(self, error: Exception) -> Failure:
        """Classify an exception of the last `describe` or `fetch`."""
        return classify(error, self._client.seen_errors if self._client else ())

    def reset(self) -> None:
        """Discard the state of the last video."""
        self._client = self._plan = None

    def _open(self, parameters: dict[str, Any]) -> YoutubeClient:
        self._client = self._make_client(
            self._client_options, self._limiter, self._stop, parameters
        )
        return self._client

    def _transfer_parameters(self, monitor: TransferMonitor) -> dict[str, Any]:
        def sleep(n: int) -> float:
            """Sleep interruptibly before retry `n` (from 0), and return 0 s for yt-dlp to sleep."""
            self._limiter.sleep(self._transfer.retry.delay_s(n + 1))
            return 0.0

        retries = self._transfer.retry.max_attempts - 1
        return {
            "retries": retries,
            "fragment_retries": retries,
            "retry_sleep_functions": {"http": sleep, "fragment": sleep},
            "skip_unavailable_fragments": False,
            "continuedl": True,
            "overwrites": False,
            "updatetime": False,
            "fixup": "never",
            "progress_hooks": [monitor],
            "ffmpeg_location": str(ffmpeg_binary()),
            "external_downloader_args": {"ffmpeg_o": list(COPY_ARGUMENTS)},
        }
