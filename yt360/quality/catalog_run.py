"""Inspect the downloaded videos of a catalog in several processes, and store the verdicts.

Each process inspects one video after another. Verdicts, clips and the new state are stored in one
transaction. No video stops a run: an unexpected error fails the video, and a process that crashes
or hangs is replaced. A video is tried at most `MAX_TRIES` times.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

from yt360.catalog import Catalog, Claim, ClaimLost, Clip, State
from yt360.catalog.build_inputs import media_parts
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
class _Turn:
    """Permission for a process to inspect the next video.

    Attributes:
        worker: A unique name, by which the claim is found if the process crashes.
    """

    path: Path
    config: CatalogRunConfig
    worker: str


def inspect_catalog(
    path: Path,
    config: CatalogRunConfig,
    finished: Callable[[InspectedVideo], None],
    note: Callable[[str], None] = lambda _: None,
    make_pool: Callable[[int, Limits], AbstractContextManager[Pool]] = WorkerPool,
) -> CatalogRunReport:
    """Inspect every downloaded video of a catalog.

    Args:
        path: The catalog.
        config: See `CatalogRunConfig`.
        finished: Called after each video.
        note: Called with one line for each process that crashed.
        make_pool: Returns a pool for a number of processes and their limits.

    Raises:
        UserError: A check or the tagger cannot be loaded, the tagger fails, or the catalog cannot
            be written.
        OSError: An error of this machine, such as a full disk.
    """
    Inspector("", InspectOptions(checks=config.checks))  # loads all checks before any process
    report = CatalogRunReport()
    run = f"{socket.gethostname()}:{os.getpid()}"
    numbers = count() if config.limit is None else range(config.limit)
    supply = (_Turn(path, config, f"{run}:{number}") for number in numbers)
    turns = deque(islice(supply, config.workers))
    under_way = {turn.worker for turn in turns}
    memory_bytes = None if has_user_code(config.checks) else MEMORY_BYTES
    limits = Limits(config.timeout_s, memory_bytes=memory_bytes)
    with Catalog(path) as catalog:
        try:
            with make_pool(config.workers, limits) as pool:
                for turn, result in pool.run(_take_turn, turns):
                    under_way.discard(turn.worker)
                    if isinstance(result, Crashed):
                        report.crashes += 1
                        again = _settle_crash(catalog, turn, result, note)
                        more = [turn] if again else []
                    elif result is None:
                        more = []
                    else:
                        report.counts[result.state, result.reason] += 1
                        report.warnings.update(result.warnings)
                        finished(result)
                        more = list(islice(supply, 1))
                    turns.extend(more)
                    under_way.update(turn.worker for turn in more)
        finally:
            # The processes have ended and cannot release their claims.
            for worker in under_way:
                _give_back(catalog, worker)
    return report


def inspect_again(catalog: Catalog, state: State) -> int:
    """Queue the videos of a state that have media for inspection; return their number.

    Videos with an active claim and manually dropped videos are not changed.
    """
    found = [video.video_id for video in catalog.videos.select(state)]
    here = [video_id for video_id in found if media_parts(catalog, video_id)]
    return catalog.videos.requeue(here, "downloaded")


def inspect_media(catalog: Catalog, video_id: str, config: CatalogRunConfig) -> Inspection:
    """Inspect all downloaded files of a video as one recording.

    Raises:
        BadItem: A file is not usable, or there is none.
    """
    options = InspectOptions(
        audio_layout=config.audio_layout, projection=config.projection, checks=config.checks
    )
    inspector = Inspector(video_id, options)
    parts = media_parts(catalog, video_id)
    if not parts:
        raise BadItem("no-media", "the catalog has no file of this video; download it again")
    for part in parts:
        is_section = part.end_s < float("inf")
        audio_files = () if part.audio is None else (part.audio,)
        inspector.add(part.video, audio_files, float(part.start_s), is_section=is_section)
    inspection = inspector.finish()
    if all(part.video is None for part in inspection.parts):
        raise BadItem("no-video", "its files hold no video; download it again")
    return inspection


def inspect_next(
    catalog: Catalog,
    renewal: ClaimRenewal,
    worker: str,
    config: CatalogRunConfig,
    inspect: Callable[[Catalog, str, CatalogRunConfig], Inspection] = inspect_media,
) -> InspectedVideo | None:
    """Inspect the next downloaded video without an active claim; None if there is none.

    Args:
        catalog: Connection of this process.
        renewal: Renews the claims of this process.
        worker: Name of the worker.
        config: See `CatalogRunConfig`.
        inspect: Inspects the media of a video.

    Raises:
        UserError: The tagger fails, or an option is invalid; the claim is released.
        OSError: An error of this machine; the claim is released.
    """
    claim = catalog.claims.take("inspect", worker, config.lease_s)
    if claim is None:
        return None
    try:
        with renewal.keep(claim):
            inspected = _inspect_and_store(catalog, claim, config, inspect)
    except ClaimLost:
        return InspectedVideo(claim.video_id, "lost", "claim-lost")
    except BaseException:
        with suppress(ClaimLost):
            catalog.claims.release(claim)
        raise
    return inspected


def _take_turn(turn: _Turn) -> InspectedVideo | None:
    """Inspect one video (in a process of the pool)."""
    try:
        with (
            Catalog(turn.path) as catalog,
            ClaimRenewal(turn.path, turn.config.lease_s) as beat,
        ):
            return inspect_next(catalog, beat, turn.worker, turn.config)
    except sqlite3.Error as error:
        raise UserError(
            f"{turn.path} cannot be read or written: {error}; check the disk", "system", turn.path
        ) from error


def _settle_crash(
    catalog: Catalog, turn: _Turn, crash: Crashed, note: Callable[[str], None]
) -> bool:
    """Release the video of a crashed process and count the try; return whether it had one."""
    claim = catalog.claims.held_by(turn.worker)
    if claim is None:
        note(f"error: a worker process without a video ended (exit code {crash.exit_code})")
        return False
    what = crash.describe()
    if crash.reason == "timeout":
        limit = f"{turn.config.timeout_s:g} s"
        what = f"it took longer than {limit} and was stopped; --timeout-s sets the limit"
    note(f"error: {claim.video_id}: {what}")
    with suppress(ClaimLost):
        catalog.claims.defer(claim, 0.0, "crashed", what)
    return True


def _give_back(catalog: Catalog, worker: str) -> None:
    claim = catalog.claims.held_by(worker)
    if claim is not None:
        with suppress(ClaimLost):
            catalog.claims.release(claim)


def _inspect_and_store(
    catalog: Catalog,
    claim: Claim,
    config: CatalogRunConfig,
    inspect: Callable[[Catalog, str, CatalogRunConfig], Inspection],
) -> InspectedVideo:
    """Inspect a claimed video and store the result, also if it fails."""
    try:
        if claim.tries >= MAX_TRIES:
            raise BadItem("crashed", f"{claim.tries} processes that inspected it died or hung")
        return _store(catalog, claim, inspect(catalog, claim.video_id, config), config)
    except ClaimLost:
        raise
    except BadItem as error:
        failure = error
    except (UserError, sqlite3.Error):
        raise
    except OSError as error:
        if error.errno in MACHINE_ERRORS:
            raise
        failure = BadItem("unreadable", str(error))
    except Exception as error:
        # Files are untrusted; no file may end the run.
        failure = BadItem("internal", f"{type(error).__name__}: {error}")
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
