"""A download run: workers take videos from the catalog until nothing is due.

Everything that must survive is in the catalog or in the media folder, so a run may be stopped or
killed at any moment, repeated, and carried out by several processes at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from yt360.catalog import Catalog
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.report import Report
from yt360.crawl.download.worker import RunState, Worker
from yt360.crawl.rate_limit import Interrupted, SiteRefuses
from yt360.crawl.youtube.client import YoutubeClient


def run_download(
    path: Path,
    config: DownloadConfig,
    stop: threading.Event,
    note: Callable[[str], None] = lambda _: None,
    finished: Callable[[str, str], None] = lambda _id, _outcome: None,
    make_client: Callable[..., YoutubeClient] = YoutubeClient,
) -> Report:
    """Fetch what is due in a catalog, and wait for what is soon due again.

    Args:
        path: The catalog.
        config: How to work.
        stop: Set to end the run, as Ctrl-C does; what is under way is given back.
        note: Told about pauses and other events, in one line each; called from worker threads.
        finished: Called after each video with its id and outcome, by one worker thread at a time;
            not for those that went back into the queue.
        make_client: Makes yt-dlp sessions; tests reroute them.

    Returns:
        What was done, by reason. ``stopped`` says why the run ended early.

    Raises:
        UserError: There is no such catalog.
        Exception: A worker met an error of the program itself; the others were stopped first.
    """
    with Catalog(path) as catalog:
        catalog.make_media()
    with ClaimRenewal(path, config.lease_s) as renewal:
        state = RunState(config, stop, renewal, note, finished, make_client)
        with ThreadPoolExecutor(config.workers, thread_name_prefix="worker") as pool:
            work = [pool.submit(_work, path, state, number) for number in range(config.workers)]
            try:
                wait(work)
            except KeyboardInterrupt as interrupt:
                state.report.interrupt = interrupt
                stop.set()
                wait(work)
    if state.crash is not None:
        raise state.crash
    return state.report


def _work(path: Path, state: RunState, number: int) -> None:
    """One worker thread: take and settle videos until nothing is due."""
    try:
        with Catalog(path) as catalog:
            worker = Worker(catalog, state, number)
            while not state.stop.is_set() and worker.step():
                pass
    except Interrupted:
        pass
    except (SiteRefuses, OSError) as error:
        state.end_early(str(error))
    except BaseException as error:
        state.crash = state.crash or error
        state.stop.set()
