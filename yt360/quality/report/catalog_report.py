"""The page of a catalog: its inspected videos, with frames where the media exist."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from yt360.catalog import Catalog, State
from yt360.catalog.build_inputs import media_parts
from yt360.errors import BadItem
from yt360.execution.limits import MEMORY_BYTES, Limits
from yt360.execution.local import Crashed, Pool, WorkerPool
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.checks.base import Part
from yt360.quality.configs import rejecting_by_default
from yt360.quality.findings import CannotJudge, Findings, from_records
from yt360.quality.inspect import InspectOptions, Inspector
from yt360.quality.report.card import Card, draw_card, draw_failure
from yt360.quality.report.doubt import doubt_of
from yt360.quality.report.page import MOST_CARDS, ReportPage

SHOWN: tuple[State, ...] = ("accepted", "rejected", "failed")


@dataclass(frozen=True)
class _Task:
    path: Path
    config: CatalogRunConfig
    video_id: str
    with_media: bool = True


def report_catalog(
    path: Path,
    page: ReportPage,
    config: CatalogRunConfig,
    finished: Callable[[], None] = lambda: None,
    make_pool: Callable[[int, Limits], AbstractContextManager[Pool]] = WorkerPool,
) -> None:
    """Add the inspected and the failed videos of a catalog to a page, the most doubtful ones.

    Args:
        path: The catalog.
        page: The page.
        config: Number of processes, time limit, and the rejecting checks.
        finished: Called after each video.
        make_pool: Returns a pool for a number of processes and their limits.
    """
    with Catalog(path) as catalog:
        chosen = heapq.nlargest(MOST_CARDS, _by_doubt(catalog, config))
    supply = (_Task(path, config, video_id) for _, video_id in chosen)
    tasks = deque(islice(supply, config.workers))
    with make_pool(config.workers, Limits(config.timeout_s, memory_bytes=MEMORY_BYTES)) as pool:
        for task, result in pool.run(_draw, tasks):
            if isinstance(result, Crashed):  # by its media
                result = _draw(_Task(path, config, task.video_id, with_media=False))
            page.add(result)
            finished()
            tasks.extend(islice(supply, 1))


def _by_doubt(catalog: Catalog, config: CatalogRunConfig) -> Iterator[tuple[float, str]]:
    for state in SHOWN:
        for video in catalog.videos.select(state):
            findings = _findings(catalog, video.video_id, config)
            if findings is not None:
                yield doubt_of(findings, _rejecting(config)).value, video.video_id
            elif state == "failed":
                yield -1.0, video.video_id


def _draw(task: _Task) -> Card:
    with Catalog(task.path) as catalog:
        video = catalog.videos.get(task.video_id)
        findings = _findings(catalog, task.video_id, task.config)
        if findings is None or video.state == "failed":
            return draw_failure(task.video_id, BadItem(video.reason or "", video.detail or ""))
        parts = _open_parts(catalog, task.video_id, task.config) if task.with_media else []
        return draw_card(task.video_id, findings, _rejecting(task.config), parts)


def _findings(catalog: Catalog, video_id: str, config: CatalogRunConfig) -> Findings | None:
    records = catalog.verdicts.of(video_id)
    try:
        return from_records(video_id, records, config.checks) if records else None
    except CannotJudge:
        return None


def _rejecting(config: CatalogRunConfig) -> tuple[str, ...]:
    return config.rejecting or rejecting_by_default(config.checks)


def _open_parts(catalog: Catalog, video_id: str, config: CatalogRunConfig) -> list[Part]:
    """Open the media of a video; none if they are not here or cannot be read."""
    video = catalog.videos.get(video_id)
    options = InspectOptions(
        audio_layout=video.stated_sound_layout,
        projection=video.stated_projection or "auto",
        checks=config.checks,
    )
    inspector = Inspector(video_id, options)
    try:
        return [
            inspector.open(
                part.video,
                () if part.audio is None else (part.audio,),
                float(part.start_s),
                is_section=part.end_s < float("inf"),
            )
            for part in media_parts(catalog, video_id)
        ]
    except BadItem:
        return []
