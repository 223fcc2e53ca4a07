"""A download run whose workers are on other machines: the driver claims, hands out and records.

Only this process opens the catalog. Workers get tasks and return results (`FetchTask`); what they
write counts when the driver has recorded it. When the driver is killed, its claims expire, workers
stop, and the next run continues the partial files.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeAlias

from yt360.catalog import Catalog, Claim, ClaimLost, Job, MediaFile
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.crawl.download.bucket_media import remove_uploaded
from yt360.crawl.download.config import DownloadConfig
from yt360.crawl.download.remote.beacon import Beacon
from yt360.crawl.download.remote.fetch_task import FetchResult, FetchTask, fetch_video
from yt360.crawl.download.report import Report
from yt360.crawl.download.run_state import POLL_S, RunState
from yt360.crawl.download.settlement import Settlement
from yt360.crawl.download.video_folder import video_folder
from yt360.crawl.failures import Failure, Kind
from yt360.crawl.rate_limit import Interrupted, RateLimiter, SiteRefuses, site_of
from yt360.errors import UserError
from yt360.execution.executor import Executor
from yt360.execution.local import Crashed, Pool
from yt360.files import resolved
from yt360.locks import exclusive_lock

RUN_FOLDER = ".workers"
"""Folder in the media folder with the file of the run and its lock."""
AGAIN = "again"
"""Folder in a video's folder for its new files, while the recorded ones are still there."""
Fetch: TypeAlias = Callable[[FetchTask], FetchResult]


def run_on_executor(
    path: Path,
    config: DownloadConfig,
    executor: Executor,
    stop: threading.Event,
    note: Callable[[str], None] = lambda _: None,
    finished: Callable[[str, str], None] = lambda _id, _outcome: None,
    fetch: Fetch = fetch_video,
) -> Report:
    """Download the videos of a catalog that are due, by workers of an engine.

    Args:
        path: The catalog; its media folder is on a disk that all workers see at the same path.
        config: The options; ``workers`` is the number of workers on all machines together.
        executor: The engine.
        stop: Ends the run when set, after the videos in progress.
        note: Called with a line about each pause.
        finished: Called with the id and the outcome of each settled video.
        fetch: Carries out a task in a worker; picklable.

    Returns:
        Counts by outcome and reason, as of `run_download`.

    Raises:
        UserError: There is no such catalog, another run with workers elsewhere uses it, the engine
            is not available, or ``config.per_site`` is set.
    """
    if config.per_site is not None:
        raise UserError(
            "--per-site holds for the workers of one machine; with --executor, --workers is the "
            "number of videos at the same time",
            code="conflict",
            key="--per-site",
        )
    with Catalog(path) as catalog, ExitStack() as stack:
        catalog.make_media()
        remove_uploaded(catalog)
        media = resolved(catalog.incoming)
        folder = media / RUN_FOLDER
        stack.enter_context(exclusive_lock(folder / "lock", path))
        renewal = stack.enter_context(ClaimRenewal(path, config.lease_s))
        beacon = stack.enter_context(Beacon(path, folder))
        state = RunState(config, stop, renewal, note, finished)
        driver = stack.enter_context(_Driver(catalog, state, media, beacon))
        try:
            with executor.pool(config.workers) as pool:
                driver.run(pool, fetch)
        except KeyboardInterrupt as interrupt:
            state.report.interrupt = interrupt
        except Interrupted:
            pass
        except (SiteRefuses, OSError) as error:
            state.end_early(str(error))
        return state.report


class _Driver:
    """Claims videos, hands them out, and records the results; a context manager.

    At the end of the block, when no worker runs any more, videos in progress are released.
    """

    def __init__(self, catalog: Catalog, state: RunState, media: Path, beacon: Beacon) -> None:
        self._catalog, self._state, self._media, self._beacon = catalog, state, media, beacon
        self._config = config = state.config
        self._job: Job = "describe" if config.describe_only else "download"
        self._name = f"{socket.gethostname()}:{os.getpid()}:driver"
        rng = random.Random(self._name)
        self._limiter = RateLimiter(catalog, config.rate_limit, state.stop, rng, state.note)
        self._settlement = Settlement(catalog, state, self._limiter, rng)
        self._held: dict[str, tuple[Claim, ExitStack]] = {}

    def __enter__(self) -> _Driver:
        return self

    def __exit__(self, *_: object) -> None:
        for claim, renewed in self._held.values():
            renewed.close()
            with suppress(ClaimLost):
                self._catalog.claims.release(claim)

    def run(self, pool: Pool, fetch: Fetch) -> None:
        """Work until no video is due in time.

        Raises:
            Interrupted: The run is being stopped.
            SiteRefuses: A site demands a longer pause than the run may wait.
            OSError: A disk is full or cannot be written.
            UserError: The engine does not answer any more.
        """
        tasks: deque[FetchTask] = deque()
        while True:
            self._claim_videos(tasks)
            if not tasks:
                if not self._wait_for_work():
                    return
                continue
            for task, result in pool.run(fetch, tasks):
                claim, renewed = self._held[task.token]
                try:
                    self._record(claim, task, result)
                except ClaimLost:
                    self._settlement.give_up(claim)
                del self._held[task.token]
                renewed.close()
                self._beacon.tell()
                self._claim_videos(tasks)

    def _claim_videos(self, tasks: deque[FetchTask]) -> None:
        """Claim videos until each worker has one, and append their tasks; raises SiteRefuses."""
        for claim, _ in self._held.values():
            self._limiter.check_pause(site_of(claim.url))
        while len(self._held) < self._config.workers:
            if self._state.stop.is_set() or not self._state.take_turn():
                return
            taken = self._catalog.claims.take(self._job, self._name, self._config.lease_s)
            if taken is None:
                self._state.return_turn()
                return
            renewed = ExitStack()
            renewed.enter_context(self._state.renewal.keep(taken))
            self._held[taken.token] = taken, renewed
            self._limiter.check_pause(site_of(taken.url))
            tasks.append(self._task(taken))

    def _wait_for_work(self) -> bool:
        """Wait briefly for a video while no worker has one; return False if none is due in time."""
        self._limiter.sleep(0.0)
        due_s = self._catalog.claims.next_due_s(self._job)
        if due_s is None or due_s > self._config.wait_s or not self._state.take_turn():
            return False
        self._state.return_turn()
        self._limiter.sleep(min(due_s + 0.01, POLL_S))
        return True

    def _task(self, claim: Claim) -> FetchTask:
        folder = self._media / video_folder(claim.video_id)
        url = self._catalog.media_url
        if url is None and self._catalog.files.of(claim.video_id):
            # They stay until the new ones are complete.
            folder = folder / AGAIN
        clips = self._catalog.clips.of(claim.video_id)
        return FetchTask(
            claim.token,
            claim.video_id,
            claim.url,
            folder,
            # Clips that an inspection chose come from the whole video and need no sections.
            tuple(clip.start_s for clip in clips if clip.origin == "released"),
            self._beacon.path,
            self._config,
            url,
        )

    def _record(self, claim: Claim, task: FetchTask, result: FetchResult | Crashed) -> None:
        """Record the result of a task; raises ClaimLost and OSError."""
        site = site_of(claim.url)
        if isinstance(result, Crashed):
            failure = Failure(Kind.BROKEN, result.reason, result.describe())
            self._settlement.try_again(claim, failure, {})
        elif result.fetched is not None:
            fetched = result.fetched
            self._settlement.store(
                claim, site, fetched, lambda: self._publish(claim, task, fetched.files)
            )
        elif result.failure is not None:
            self._settlement.fail(claim, site, result.failure, result.facts)
        elif result.busy is not None:
            delay_s = self._config.lease_s
            facts, detail = result.facts, result.busy
            self._settlement.defer(claim, delay_s, "busy", detail, facts, count_try=False)
        else:
            detail = f"the worker does not see the run's file {task.beacon}"
            failure = Failure(Kind.BROKEN, "no-driver", detail)
            self._settlement.try_again(claim, failure, result.facts)

    def _publish(self, claim: Claim, task: FetchTask, files: Iterable[MediaFile]) -> None:
        """Put new files in the place of the recorded ones."""
        if task.folder.name != AGAIN or self._config.describe_only:
            return
        home = task.folder.parent
        names = {file.path for file in files}
        for file in self._catalog.files.of(claim.video_id):
            if (name := Path(file.path).name) not in names:
                (home / name).unlink(missing_ok=True)
        for name in names:
            (task.folder / name).replace(home / name)
        self._catalog.files.clear(claim.video_id)
        with suppress(OSError):
            task.folder.rmdir()
