"""Inspecting the downloaded videos of a catalog: claims, several processes, verdicts stored.

Each process takes one video after another; a killed one loses its claim after a while, and its
video is handed out again. Verdicts, clips and the new state are stored together or not at all.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from yt360.catalog import Catalog, Claim, ClaimLost
from yt360.catalog import Verdict as StoredVerdict
from yt360.catalog.sources import media_parts
from yt360.crawl.heartbeat import Heartbeat
from yt360.errors import BadItem, UserError
from yt360.quality.clips import clips_of
from yt360.quality.inspect import Inspection, InspectOptions, Inspector
from yt360.quality.tagger import load_tagger
from yt360.quality.verdict import Outcome, Verdict

# Sound that was laid over or clipped is told, but does not by itself make a video useless.
REJECTING = ("spatial-audio", "still-image", "silence", "picture", "duration")

_STOPPED = "stopped"
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class CatalogRunConfig:
    """How a catalog is inspected.

    Attributes:
        workers: Processes.
        rejecting: Tests whose "not ok" rejects a video.
        lease_s: A silent worker loses its video after this time.
        limit: Stop after so many videos (of each process).
        sound_layout: What the sound of all videos is; None to find out.
        tagger: Import path of an audio tagger.
    """

    workers: int = 1
    rejecting: tuple[str, ...] = REJECTING
    lease_s: float = 120.0
    limit: int | None = None
    sound_layout: str | None = None
    tagger: str | None = None


@dataclass(frozen=True)
class InspectedVideo:
    """What came of one video: its new state, and why."""

    video_id: str
    state: str
    reason: str


@dataclass
class CatalogRunReport:
    """What came of the videos: counts by state and reason."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield a line for each state and reason, the most frequent first."""
        for (state, reason), count in self.counts.most_common():
            yield f"{count:8d}  {state}{f' ({reason})' if reason else ''}"


def inspect_catalog(
    path: Path, config: CatalogRunConfig, finished: Callable[[InspectedVideo], None]
) -> CatalogRunReport:
    """Inspect every downloaded video of a catalog.

    Args:
        path: The catalog.
        config: See there.
        finished: Called after each video.

    Raises:
        UserError: The tagger cannot be imported, or a worker had to stop.
    """
    if config.tagger is not None:
        load_tagger(config.tagger)
    report = CatalogRunReport()
    # A spawned process shares no open catalog with this one.
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[InspectedVideo] = context.SimpleQueue()
    processes = [
        context.Process(target=_work, args=(path, config, number, queue), daemon=True)
        for number in range(config.workers)
    ]
    for process in processes:
        process.start()
    try:
        for result in _results(queue, processes):
            if result.state == _STOPPED:
                raise UserError(result.reason)
            report.counts[result.state, result.reason] += 1
            finished(result)
    finally:
        for process in processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGINT)
        for process in processes:
            process.join()
    return report


def inspect_next(
    catalog: Catalog, heartbeat: Heartbeat, worker: str, config: CatalogRunConfig
) -> InspectedVideo | None:
    """Inspect the next downloaded video that nobody works on; None when there is none.

    Args:
        catalog: A connection of this process.
        heartbeat: Keeps its claims alive.
        worker: Who works, for people to read.
        config: See there.
    """
    claim = catalog.claims.take("inspect", worker, config.lease_s)
    if claim is None:
        return None
    with heartbeat.keep(claim):
        try:
            inspection = _inspect(catalog, claim, config)
            state, reason = _store(catalog, claim, inspection, config)
        except ClaimLost:
            return InspectedVideo(claim.video_id, "lost", "claim-lost")
        except BadItem as error:
            catalog.claims.finish(claim, "failed", error.reason, error.detail)
            return InspectedVideo(claim.video_id, "failed", error.reason)
        except BaseException:
            catalog.claims.release(claim)
            raise
    return InspectedVideo(claim.video_id, state, reason)


def _inspect(catalog: Catalog, claim: Claim, config: CatalogRunConfig) -> Inspection:
    tagger = load_tagger(config.tagger) if config.tagger else None
    options = InspectOptions(sound_layout=config.sound_layout, tagger=tagger)
    inspector = Inspector(claim.video_id, options)
    parts = media_parts(catalog, claim.video_id)
    if not parts:
        raise BadItem("no-media", "the catalog knows no file of this video; download it again")
    for part in parts:
        is_section = part.end_s is not None
        inspector.add(part.video, part.sound, float(part.start_s), is_section=is_section)
    return inspector.finish()


def _store(
    catalog: Catalog, claim: Claim, inspection: Inspection, config: CatalogRunConfig
) -> tuple[str, str]:
    clips = clips_of(inspection, catalog.clips.of(claim.video_id))
    wrong = [
        verdict
        for name, verdict in inspection.verdicts.items()
        if name in config.rejecting and _rejects(verdict, inspection.layout)
    ]
    reason, detail = None, None
    if wrong:
        reason, detail = wrong[0].reason, f"{wrong[0].name}: {wrong[0].detail}"
    elif not any(clip.kept for clip in clips):
        reason, detail = "no-clips", "no stretch of ten seconds is loud enough"
    with catalog.transaction():
        catalog.verdicts.put(claim.video_id, *map(_stored, inspection.verdicts.values()))
        catalog.clips.put(claim.video_id, clips)
        catalog.claims.finish(claim, "rejected" if reason else "accepted", reason, detail)
    return ("rejected" if reason else "accepted"), reason or ""


def _rejects(verdict: Verdict, layout: str) -> bool:
    """Tell whether a verdict speaks against a video.

    Where the reading of media finds the same other normalization, it converts it: that is no
    reason to lose the video.
    """
    return verdict.outcome is Outcome.NOT_OK and verdict.reason != layout


def _stored(verdict: Verdict) -> StoredVerdict:
    values = verdict.as_json()
    numbers = {key: values[key] for key in ("reason", "detail", "defect_probability")}
    return StoredVerdict(
        kind=verdict.name, verdict=verdict.outcome.value, numbers={**numbers, **values["numbers"]}
    )


def _work(
    path: Path, config: CatalogRunConfig, number: int, queue: SimpleQueue[InspectedVideo]
) -> None:
    """Inspect until nothing is left (the body of one process)."""
    name = f"{socket.gethostname()}:{os.getpid()}:{number}"
    left = config.limit
    try:
        with Catalog(path) as catalog, Heartbeat(path, config.lease_s) as beat:
            while left is None or left > 0:
                result = inspect_next(catalog, beat, name, config)
                if result is None:
                    break
                queue.put(result)
                left = None if left is None else left - 1
    except KeyboardInterrupt:
        # The claim was given back; the parent says what happened.
        return
    except (UserError, OSError) as error:
        queue.put(InspectedVideo("", _STOPPED, str(error)))


def _results(
    queue: SimpleQueue[InspectedVideo], processes: Sequence[SpawnProcess]
) -> Iterator[InspectedVideo]:
    """Yield results until every process has ended, killed ones too."""
    running = True
    while running:
        running = any(process.is_alive() for process in processes)
        while not queue.empty():
            yield queue.get()
        if running:
            wait([process.sentinel for process in processes if process.is_alive()], _POLL_S)
