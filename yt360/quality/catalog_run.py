"""Inspect the downloaded videos of a catalog in several processes, and store the verdicts.

This process claims videos and stores the results; workers read media alone, so that they may run on
other machines. Verdicts, clips and the new state are stored in one transaction. No video stops a
run: an unexpected error fails the video, and a process that crashes or hangs is replaced. A video
is tried at most `MAX_TRIES` times.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from yt360.buckets.copies import copies
from yt360.catalog import Catalog, Claim, ClaimLost, Clip, State
from yt360.catalog.build_inputs import MediaPart, media_parts
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.catalog.lists.yt360_lists import ORIGIN as RELEASED
from yt360.errors import BadItem, UserError
from yt360.execution.limits import MEMORY_BYTES, Limits
from yt360.execution.local import Crashed, Pool, WorkerPool
from yt360.files import MACHINE_ERRORS
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.clips import clips_of, why_no_clips
from yt360.quality.configs import has_user_code
from yt360.quality.decision import decide
from yt360.quality.findings import Findings, to_records
from yt360.quality.inspect import Inspection, InspectOptions, Inspector
from yt360.quality.signal.series import DirectionSeries

# The system may kill a process for lack of memory that its video did not cause, but rarely 3 times.
MAX_TRIES = 3


@dataclass(frozen=True)
class InspectedVideo:
    """The result for one video: its new state and the reason."""

    video_id: str
    state: str
    reason: str
    warnings: tuple[str, ...] = ()


@dataclass
class CatalogRunReport:
    """The results for all videos.

    Attributes:
        counts: Number of videos by state and reason.
        warnings: Number of videos by code of the audio layout warning.
        crashes: Number of processes that crashed or were killed.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    crashes: int = 0

    def lines(self) -> Iterator[str]:
        """Yield a line for each state and reason, the most frequent first."""
        for (state, reason), videos in self.counts.most_common():
            yield f"{videos:8d}  {state}{f' ({reason})' if reason else ''}"
        for code, videos in self.warnings.most_common():
            yield f"{videos:8d}  audio layout warning ({code})"


@dataclass(frozen=True)
class InspectionTask:
    """A claimed video and its media, for a worker."""

    claim: Claim
    parts: tuple[MediaPart, ...]
    config: CatalogRunConfig


Inspect = Callable[[str, Sequence[MediaPart], CatalogRunConfig], Inspection]


def inspect_catalog(
    path: Path,
    config: CatalogRunConfig,
    finished: Callable[[InspectedVideo], None],
    note: Callable[[str], None] = lambda _: None,
    make_pool: Callable[[int, Limits], AbstractContextManager[Pool]] = WorkerPool,
    claims_per_worker: int = 1,
    inspect: Inspect | None = None,
) -> CatalogRunReport:
    """Inspect every downloaded video of a catalog.

    Args:
        path: The catalog; workers do not open it.
        config: See `CatalogRunConfig`.
        finished: Called after each video.
        note: Called with one line for each process that crashed.
        make_pool: Returns a pool for a number of processes and their limits.
        claims_per_worker: Videos that are claimed for each process at a time.
        inspect: Inspects the media of a video in a worker; None for `inspect_media`.

    Raises:
        UserError: A check or the tagger cannot be loaded, the tagger fails, or the catalog cannot
            be read or written.
        OSError: An error of this machine, such as a full disk.
    """
    Inspector("", InspectOptions(checks=config.checks))  # loads all checks before any process
    memory_bytes = None if has_user_code(config.checks) else MEMORY_BYTES
    limits = Limits(config.timeout_s, memory_bytes=memory_bytes)
    work = partial(run_task, inspect=inspect or inspect_media)
    try:
        with (
            Catalog(path) as catalog,
            ClaimRenewal(path, config.lease_s) as renewal,
            _CatalogRun(catalog, renewal, config, finished, note) as run,
            make_pool(config.workers, limits) as pool,
        ):
            tasks = deque(run.claim(config.workers * claims_per_worker))
            for task, result in pool.run(work, tasks):
                if isinstance(result, Crashed):
                    run.settle_crash(task, result)
                else:
                    run.store(task, result)
                tasks.extend(run.claim(1))
    except sqlite3.Error as error:
        raise UserError(
            f"{path} cannot be read or written: {error}; check the disk", "system", path
        ) from error
    return run.report


class _CatalogRun:
    """The claims of one run and their results; leaving the context releases open claims."""

    def __init__(
        self,
        catalog: Catalog,
        renewal: ClaimRenewal,
        config: CatalogRunConfig,
        finished: Callable[[InspectedVideo], None],
        note: Callable[[str], None],
    ) -> None:
        self._catalog, self._renewal, self._config = catalog, renewal, config
        self._finished, self._note = finished, note
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._kept: dict[str, tuple[Claim, ExitStack]] = {}
        """Token of an open claim -> the claim, and its renewal."""
        self._left = config.limit
        self.report = CatalogRunReport()

    def __enter__(self) -> _CatalogRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for claim, _ in list(self._kept.values()):
            with self._ending(claim), suppress(ClaimLost):
                self._catalog.claims.release(claim)

    def claim(self, count: int) -> Iterator[InspectionTask]:
        """Yield up to `count` videos to inspect, within the limit."""
        while count and self._left != 0:
            claim = self._catalog.claims.take("inspect", self._worker, self._config.lease_s)
            if claim is None:
                return
            self._left = None if self._left is None else self._left - 1
            self._kept[claim.token] = claim, ExitStack()
            self._kept[claim.token][1].enter_context(self._renewal.keep(claim))
            if claim.tries >= MAX_TRIES:
                died = f"{claim.tries} processes that inspected it died or hung"
                self._store(claim, BadItem("crashed", died))
                continue
            count -= 1
            parts = tuple(media_parts(self._catalog, claim.video_id))
            yield InspectionTask(claim, parts, self._config)

    def store(self, task: InspectionTask, result: Inspection | BadItem) -> None:
        """Store the result of a task, and end its claim."""
        self._store(task.claim, result)

    def settle_crash(self, task: InspectionTask, crash: Crashed) -> None:
        """Release the video of a crashed process and count the try."""
        what = crash.describe()
        if crash.reason == "timeout":
            limit = f"{self._config.timeout_s:g} s"
            what = f"it took longer than {limit} and was stopped; --timeout-s sets the limit"
        self.report.crashes += 1
        self._left = None if self._left is None else self._left + 1
        self._note(f"error: {task.claim.video_id}: {what}")
        with self._ending(task.claim), suppress(ClaimLost):
            self._catalog.claims.defer(task.claim, 0.0, "crashed", what)

    def _store(self, claim: Claim, result: Inspection | BadItem) -> None:
        with self._ending(claim):
            try:
                if isinstance(result, BadItem):
                    inspected = _store_failure(self._catalog, claim, result)
                else:
                    inspected = _store(self._catalog, claim, result, self._config)
            except ClaimLost:
                inspected = InspectedVideo(claim.video_id, "lost", "claim-lost")
        self.report.counts[inspected.state, inspected.reason] += 1
        self.report.warnings.update(inspected.warnings)
        self._finished(inspected)

    @contextmanager
    def _ending(self, claim: Claim) -> Iterator[None]:
        """Renew a claim no more after the block."""
        with self._kept[claim.token][1]:
            yield
        del self._kept[claim.token]


def inspect_again(catalog: Catalog, state: State) -> int:
    """Queue the videos of a state that have media for inspection; return their number.

    Videos with an active claim and manually dropped videos are not changed.
    """
    found = [video.video_id for video in catalog.videos.select(state)]
    here = [video_id for video_id in found if media_parts(catalog, video_id)]
    return catalog.videos.requeue(here, "downloaded")


def inspect_media(
    video_id: str, parts: Sequence[MediaPart], config: CatalogRunConfig
) -> Inspection:
    """Inspect all downloaded files of a video as one recording.

    Raises:
        BadItem: A file is not usable, or there is none.
    """
    options = InspectOptions(
        audio_layout=config.audio_layout, projection=config.projection, checks=config.checks
    )
    inspector = Inspector(video_id, options)
    if not parts:
        raise BadItem("no-media", "the catalog has no file of this video; download it again")
    for part in parts:
        is_section = part.end_s < float("inf")
        audio_files = () if part.audio is None else (part.audio,)
        with copies((part.video, *audio_files)):
            inspector.add(part.video, audio_files, float(part.start_s), is_section=is_section)
    inspection = inspector.finish()
    if all(part.video is None for part in inspection.parts):
        raise BadItem("no-video", "its files hold no video; download it again")
    return inspection


def run_task(task: InspectionTask, inspect: Inspect = inspect_media) -> Inspection | BadItem:
    """Inspect a video in a worker; return what is stored of it.

    Args:
        task: The video.
        inspect: Inspects its media.

    Raises:
        UserError: The tagger fails, or an option is invalid.
        OSError: An error of this machine.
    """
    try:
        inspection = inspect(task.claim.video_id, task.parts, task.config)
        # Without the data of the report, which is not stored.
        empty = np.zeros((0, 2), np.float32)
        return replace(inspection, directions=DirectionSeries(), motion=empty)
    except BadItem as error:
        return error
    except UserError:
        raise
    except OSError as error:
        if error.errno in MACHINE_ERRORS:
            raise
        return BadItem("unreadable", str(error))
    except Exception as error:
        # Files are untrusted; no file may end the run.
        return BadItem("internal", f"{type(error).__name__}: {error}")


def _store_failure(catalog: Catalog, claim: Claim, failure: BadItem) -> InspectedVideo:
    detail = " ".join(failure.detail.encode(errors="replace").decode().split())
    catalog.claims.finish(claim, "failed", failure.reason, detail)
    return InspectedVideo(claim.video_id, "failed", failure.reason)


def _store(
    catalog: Catalog, claim: Claim, inspection: Inspection, config: CatalogRunConfig
) -> InspectedVideo:
    with catalog.transaction():  # atomic relative to a concurrent import of a list
        # Replace the clips of an earlier inspection.
        given = [clip for clip in catalog.clips.of(claim.video_id) if clip.origin == RELEASED]
        clips = clips_of(inspection, given)
        state, reason, detail = state_of(inspection, clips, config)
        stated_projection = None if config.projection == "auto" else config.projection
        catalog.videos.state_media(claim.video_id, config.audio_layout, stated_projection)
        catalog.verdicts.replace(claim.video_id, *to_records(inspection))
        catalog.clips.replace(claim.video_id, *clips)
        catalog.claims.finish(claim, state, reason, detail)
    warnings = tuple(warning.code for warning in inspection.warnings)
    return InspectedVideo(claim.video_id, state, reason or "", warnings)


def state_of(
    findings: Findings, clips: Sequence[Clip], config: CatalogRunConfig
) -> tuple[State, str | None, str | None]:
    """Return the state of an inspected video with its reason and detail."""
    wrong = decide(findings, config.rejecting).against
    if wrong:
        return "rejected", wrong[0].reason, f"{wrong[0].name}: {wrong[0].detail}"
    if not any(clip.kept for clip in clips):
        return "rejected", "no-clips", why_no_clips(clips)
    return "accepted", None, None
