"""Monitoring of a transfer: stop it when it is too slow, too long, or about to fill the disk."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yt360.crawl.download.config import TransferOptions
from yt360.crawl.failures import Damaged
from yt360.crawl.rate_limit import Interrupted
from yt360.crawl.verify import MAX_MEDIA_BYTES, SIZE_SLACK_BYTES

FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Return the free disk space at a folder."""
    return shutil.disk_usage(folder).free


def check_free_space(folder: Path, min_free_bytes: float, measure: FreeBytes = free_bytes) -> None:
    """Raise OSError (ENOSPC) when less than `min_free_bytes` are free at `folder`."""
    free = measure(folder)
    if free < min_free_bytes:
        raise OSError(
            errno.ENOSPC,
            f"only {free / 1e9:.1f} GB are free, {min_free_bytes / 1e9:.1f} GB are required",
            str(folder),
        )


class TransferMonitor:
    """A progress hook of yt-dlp that raises when a transfer must not go on.

    Args:
        folder: Folder of the files.
        options: The limits.
        stop: Set when the run ends.
        check_claim: Raises when the claim on the video is lost.
        measure: Returns the free disk space at a folder.
        disk_interval_s: Interval between two measurements of the disk space.
    """

    def __init__(
        self,
        folder: Path,
        options: TransferOptions,
        stop: threading.Event,
        check_claim: Callable[[], None],
        measure: FreeBytes = free_bytes,
        disk_interval_s: float = 2.0,
    ) -> None:
        self._folder = folder
        self._options = options
        self._stop = stop
        self._check_claim = check_claim
        self._measure = measure
        self._disk_interval_s = disk_interval_s
        self._file = ""
        self._window_start = self._disk_checked = 0.0
        self._window_bytes = 0.0

    def __call__(self, status: Mapping[str, Any]) -> None:
        """Check a progress report.

        Raises:
            Interrupted: The run is being stopped.
            Damaged: ``"too-slow"``, or ``"too-long"`` when more data comes than the site declares,
                or than `MAX_MEDIA_BYTES`.
            OSError: The disk is nearly full.
        """
        if self._stop.is_set():
            raise Interrupted
        self._check_claim()
        now = time.monotonic()
        if now - self._disk_checked >= self._disk_interval_s:
            check_free_space(self._folder, self._options.min_free_bytes, self._measure)
            self._disk_checked = now
        done_bytes = status.get("downloaded_bytes") or 0
        declared = (status.get("info_dict") or {}).get("filesize")
        max_bytes = MAX_MEDIA_BYTES if declared is None else declared + SIZE_SLACK_BYTES
        if done_bytes > max_bytes:
            raise Damaged("too-long", f"the stream does not end after {max_bytes} bytes")
        self._check_rate(now, str(status.get("filename")), done_bytes)

    def _check_rate(self, now: float, file: str, done_bytes: float) -> None:
        elapsed_s = now - self._window_start
        if file == self._file and elapsed_s < self._options.slow_window_s:
            return
        rate = (done_bytes - self._window_bytes) / max(elapsed_s, 1e-9)
        if file == self._file and rate < self._options.min_rate_bytes_per_s:
            raise Damaged("too-slow", f"{rate:.0f} bytes/s over {elapsed_s:.0f} s")
        self._file, self._window_start, self._window_bytes = file, now, done_bytes
