"""Watching a transfer: stop what is unwanted, too slow, or about to fill the disk."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from yt360.crawl.failures import Damaged
from yt360.crawl.rate_limit import Interrupted
from yt360.crawl.verify import MAX_MEDIA_BYTES, SIZE_SLACK_BYTES
from yt360.locks import exclusive_lock

_DISK_CHECK_S = 2.0
_LOCK = ".lock"


def check_room(folder: Path, min_free_bytes: float) -> None:
    """Raise OSError (ENOSPC) when less than `min_free_bytes` are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < min_free_bytes:
        raise OSError(
            errno.ENOSPC,
            f"only {free / 1e9:.1f} GB are free, {min_free_bytes / 1e9:.1f} GB must stay free",
            str(folder),
        )


def check_no_links(folder: Path) -> None:
    """Raise Damaged when a video's folder holds a link, through which a download would write."""
    links = [each.name for each in folder.iterdir() if each.is_symlink()] if folder.exists() else []
    if links:
        raise Damaged("link", f"{folder / links[0]} is a link; remove it, or put the file itself")


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a video's folder (made when missing) for this process alone.

    Claims already see to it that nobody else works on the video. This is for the worker that was
    suspended, lost its claim, and wakes up in the middle of writing a file: until it is gone,
    nobody else writes there. The system drops the lock of a killed process.

    Raises:
        Locked: Another process holds it.
    """
    with exclusive_lock(folder / _LOCK):
        try:
            yield
        finally:
            (folder / _LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # it holds files, or the next one is in it already
                folder.rmdir()


class TransferMonitor:
    """A progress hook of yt-dlp that raises when a transfer should not go on.

    Args:
        folder: Where the files go.
        min_free_bytes: Room that must stay free there.
        min_rate_bytes_per_s: A transfer that stays below this over `window_s` has failed.
        window_s: Length of the window.
        stop: Set when the run is to end.
        still_ours: Raises when the claim on the video is lost.
    """

    def __init__(
        self,
        folder: Path,
        min_free_bytes: float,
        min_rate_bytes_per_s: float,
        window_s: float,
        stop: threading.Event,
        still_ours: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._min_rate = min_rate_bytes_per_s
        self._window_s = window_s
        self._stop = stop
        self._still_ours = still_ours
        self._file = ""
        self._window_start = self._disk_checked = 0.0
        self._window_bytes = 0.0

    def __call__(self, status: Mapping[str, Any]) -> None:
        """Look at a progress report.

        Raises:
            Interrupted: The run is being stopped.
            Damaged: ``"too-slow"``, or ``"too-long"`` when more came than the site declares, or
                than `MAX_MEDIA_BYTES`.
            OSError: The disk is nearly full.
        """
        if self._stop.is_set():
            raise Interrupted
        self._still_ours()
        now = time.monotonic()
        if now - self._disk_checked >= _DISK_CHECK_S:
            check_room(self._folder, self._min_free_bytes)
            self._disk_checked = now
        done_bytes = status.get("downloaded_bytes") or 0
        declared = (status.get("info_dict") or {}).get("filesize")
        most = MAX_MEDIA_BYTES if declared is None else declared + SIZE_SLACK_BYTES
        if done_bytes > most:
            raise Damaged("too-long", f"the stream goes on after {most} bytes")
        self._check_rate(now, str(status.get("filename")), done_bytes)

    def _check_rate(self, now: float, file: str, done_bytes: float) -> None:
        elapsed = now - self._window_start
        if file == self._file and elapsed < self._window_s:
            return
        rate = (done_bytes - self._window_bytes) / max(elapsed, 1e-9)
        if file == self._file and rate < self._min_rate:
            raise Damaged("too-slow", f"{rate:.0f} bytes/s over {elapsed:.0f} s")
        self._file, self._window_start, self._window_bytes = file, now, done_bytes
