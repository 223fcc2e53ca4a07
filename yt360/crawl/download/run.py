"""A download run: workers take videos from the catalog until none is due.

All state is in the catalog and in the media folder, so a run can be stopped or killed at any time,
repeated, and carried out by several processes at once. Workers are threads, because they wait for
the network; media is decoded in processes of `yt360.execution`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from yt360.catalog import Catalog
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.crawl.download.bucket_media import remove_uploaded
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.fetch import Fetcher
from yt360.crawl.download.report import Report
from yt360.crawl.download.run_state import RunState
from yt360.crawl.download.worker import Worker
from yt360.crawl.rate_limit import Interrupted, SiteRefuses


def run_download(
    path: Path,
    config: DownloadConfig,
    stop: threading.Event,
    note: Callable[[str], None] = lambda _: None,
    finished: Callable[[str, str], None] = lambda _id, _outcome: None,
    make_fetcher: Callable[..., Fetcher] = Fetcher,
) -> Report:
    """Download the videos of a catalog that are due, now or within ``config.wait_s``.

    Args:
        path: The catalog.
        config: The options.
        stop: Ends the run when set, as Ctrl-C does; claims on videos in progress are released.
        note: Called with a line about each pause, and about the first video that is tried again
            for a reason; called from worker threads.
        finished: Called with the id and the outcome of each settled video, by one thread at a time.
        make_fetcher: Creates the `Fetcher` of each worker.

    Returns:
        Counts by outcome and reason. ``stopped`` says why the run ended early.

    Raises:
        UserError: There is no such catalog.
        Exception: A bug in a worker; the other workers were stopped.
    """
    with Catalog(path) as catalog:
        catalog.make_media()
        remove_uploaded(catalog)
    with ClaimRenewal(path, config.lease_s) as renewal:
        state = RunState(config, stop, renewal, note, finished)
        with ThreadPoolExecutor(config.workers, thread_name_prefix="worker") as pool:
            work = [
                pool.submit(_work, path, state, number, make_fetcher)
                for number in range(config.workers)
            ]
            try:
                wait(work)
            except KeyboardInterrupt as interrupt:
                state.report.interrupt = interrupt
                stop.set()
                wait(work)
    if state.crash is not None:
        raise state.crash
    return state.report


def _work(path: Path, state: RunState, number: int, make_fetcher: Callable[..., Fetcher]) -> None:
    """Run one worker until no video is due."""
    try:
        with Catalog(path) as catalog:
            worker = Worker(catalog, state, number, make_fetcher)
            while not state.stop.is_set() and worker.step():
                pass
    except Interrupted:
        pass
    except (SiteRefuses, OSError) as error:
        state.end_early(str(error))
    except BaseException as error:
        state.crash = state.crash or error
        state.stop.set()
