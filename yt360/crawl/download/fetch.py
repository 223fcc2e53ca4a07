"""Fetching one video: yt-dlp carries out a `DownloadPlan` in the video's own folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt360.catalog import MediaFile
from yt360.catalog.ids import check_video_id
from yt360.crawl.download.plan import DownloadPlan, Selection
from yt360.crawl.download.transfer_monitor import (
    TransferMonitor,
    check_no_links,
    check_room,
    folder_lock,
)
from yt360.crawl.failures import Failure, classify
from yt360.crawl.rate_limit import RateLimiter
from yt360.crawl.sections.planning import COPY_ARGUMENTS
from yt360.crawl.validation import check_number
from yt360.crawl.youtube.client import ClientOptions, YoutubeClient
from yt360.media.ffmpeg import ffmpeg_binary


@dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """When to give up on a connection, and what to leave of the disk.

    Attributes:
        retries: Times that a broken connection is taken up again before the try has failed.
        retry_first_s: Pause before the first of these; it doubles with each.
        min_rate_bytes_per_s: A transfer that stays below this over `slow_window_s` has failed.
        min_free_bytes: Room that must stay free on the disk.
    """

    retries: int = 5
    retry_first_s: float = 1.0
    min_rate_bytes_per_s: float = 10_000.0
    slow_window_s: float = 30.0
    min_free_bytes: float = 5e9

    def __post_init__(self) -> None:
        for name in ("retries", "retry_first_s", "min_rate_bytes_per_s", "min_free_bytes"):
            check_number(name, getattr(self, name))
        check_number("slow_window_s", self.slow_window_s, above_zero=True)


@dataclass(frozen=True)
class Fetched:
    """A video's facts (names of `Videos.update_facts`) and its files, named within its folder."""

    facts: dict[str, Any]
    files: tuple[MediaFile, ...]


class Fetcher:
    """Fetches videos one after another, in one thread.

    Args:
        client_options: How to ask.
        wanted: What to fetch.
        transfer: When to give up.
        limiter: When to ask; of the calling thread.
        stop: Ends the work.
        make_client: Makes the yt-dlp client; tests reroute it.
    """

    def __init__(
        self,
        client_options: ClientOptions,
        selection: Selection,
        transfer: TransferOptions,
        limiter: RateLimiter,
        stop: threading.Event,
        make_client: Callable[..., YoutubeClient] = YoutubeClient,
    ) -> None:
        self._client_options = client_options
        self._selection = selection
        self._transfer = transfer
        self._limiter = limiter
        self._stop = stop
        self._make_session = make_client
        self._client: YoutubeClient | None = None
        self._plan: DownloadPlan | None = None

    def describe(self, video_id: str, url: str, folder: Path) -> dict[str, Any]:
        """Return the facts of a video that passes the filters and offers what is wanted.

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
        still_ours: Callable[[], None] = lambda: None,
        make_way: Callable[[], None] = lambda: None,
    ) -> Fetched:
        """Download a video into its folder; what is there already is kept, parts are resumed.

        Args:
            video_id: Its id; names the files.
            url: Its page, or a media file on an allowed site.
            folder: A folder for this video alone; made when missing.
            clip_starts_s: Where clips are known to begin.
            still_ours: Called as data arrives; raises when the video is no longer ours.
            make_way: Called once the page offers what is wanted, before any file is looked at, to
                remove files that are to be fetched anew.

        Raises:
            Exception: `failure` says what it means; partial files stay for the next time.
        """
        plan = DownloadPlan(
            self._selection, check_video_id(video_id), folder, clip_starts_s, make_way
        )
        self._plan = plan
        check_no_links(folder)
        with folder_lock(folder):
            check_room(folder, self._transfer.min_free_bytes)
            guard = TransferMonitor(
                folder,
                self._transfer.min_free_bytes,
                self._transfer.min_rate_bytes_per_s,
                self._transfer.slow_window_s,
                self._stop,
                still_ours,
            )
            parameters = {**plan.parameters(), **self._transfer_parameters(guard)}
            try:
                info = self._open(parameters).extract_info(url, download=True)
                return Fetched(plan.facts(), plan.collect(info))
            except Exception as error:
                if self.failure(error).reason in ("http-416", "too-long"):
                    _remove_partial_files(folder)  # they are longer than what the site has
                raise

    def facts(self) -> dict[str, Any]:
        """Return what the last `describe` or `fetch` learnt from the page, even if it failed."""
        return self._plan.facts() if self._plan else {}

    def failure(self, error: Exception) -> Failure:
        """Say what an exception of the last `describe` or `fetch` means."""
        return classify(error, self._client.seen_errors if self._client else ())

    def forget(self) -> None:
        """Forget the last video."""
        self._client = self._plan = None

    def _open(self, parameters: dict[str, Any]) -> YoutubeClient:
        self._client = self._make_session(
            self._client_options, self._limiter, self._stop, parameters
        )
        return self._client

    def _transfer_parameters(self, guard: TransferMonitor) -> dict[str, Any]:
        def nap(n: int) -> float:
            """Sleep ourselves, so that it can be interrupted, and let yt-dlp sleep no more."""
            self._limiter.sleep(self._transfer.retry_first_s * 2.0 ** min(n, 10))
            return 0.0

        return {
            "retries": self._transfer.retries,
            "fragment_retries": self._transfer.retries,
            "retry_sleep_functions": {"http": nap, "fragment": nap},
            "skip_unavailable_fragments": False,
            "continuedl": True,
            "overwrites": False,
            "updatetime": False,
            "fixup": "never",
            "progress_hooks": [guard],
            "ffmpeg_location": str(ffmpeg_binary()),
            "external_downloader_args": {"ffmpeg_o": list(COPY_ARGUMENTS)},
        }


def _remove_partial_files(folder: Path) -> None:
    for part in folder.glob("*.part"):
        part.unlink()
