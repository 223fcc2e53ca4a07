"""Labelling the clips of a dataset, together with other workers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from yt360.devices import choose_device
from yt360.errors import UserError
from yt360.execution.local import Crashed, WorkerPool
from yt360.labels.claims import claimed
from yt360.labels.format.leftovers import remove_leftovers
from yt360.labels.format.reader import (
    DEFAULT_NAME,
    MAX_FPS,
    MAX_ROWS,
    MIN_FPS,
    LabelSet,
    check_name,
)
from yt360.labels.segmenters.base import Segmenter, SegmenterConfig
from yt360.labels.segmenters.batches import Batches, usual_batch
from yt360.labels.shard_task import LabelReport, shard_tasks
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import DEFAULT_VIEWS, PANORAMA, view_set
from yt360.shards.format.schema import DatasetInfo
from yt360.splits import SPLITS
from yt360.terminal.progress import Progress


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """What is asked of a labelling run.

    Attributes:
        name: Of the set of labels.
        views: Name of a set of views, or ``"panorama"``.
        view_size: Pixels along each side of a view.
        fps: Labels per second.
        height: Rows of the maps.
        batch: Images at once; None means what is usual on the device.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:NUMBER"``.
        splits: Which splits.
        shards: Numbers of the shards to label; None for all.
    """

    name: str = DEFAULT_NAME
    views: str = DEFAULT_VIEWS
    view_size: int = 512
    fps: float = 4.0
    height: int = 320
    batch: int | None = None
    device: str = "auto"
    splits: tuple[str, ...] = SPLITS
    shards: frozenset[int] | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.views != PANORAMA:
            view_set(self.views)
        if not MIN_FPS <= self.fps <= MAX_FPS:
            raise UserError(
                f"{self.fps:g} labels per second are impossible; give {MIN_FPS:g} to {MAX_FPS}"
            )
        if self.height > MAX_ROWS:
            raise UserError(f"maps cannot have {self.height} rows; give up to {MAX_ROWS}")


def pseudolabel(
    dataset: Path,
    segmenter: Segmenter,
    options: LabelOptions,
    device: torch.device | None = None,
    *,
    worker: int | None = None,
) -> LabelReport:
    """Label all clips of a dataset that have no labels yet and that nobody else is labelling.

    Runs of several processes and machines share the work through claims beside the shards. A shard
    of labels appears when it is whole; after a kill it is made again. Its bytes do not depend on
    who made it, as long as the segmenter computes alike everywhere.

    Args:
        dataset: The dataset folder.
        segmenter: What segments.
        options: What is asked.
        device: Where views are cut out; None means the CPU.
        worker: Number of this process among several of one command.

    Raises:
        UserError: `dataset` is none, or its labels of that name were made otherwise.
    """
    device = device or torch.device("cpu")
    batches = Batches(segmenter, options.batch or usual_batch(device))
    labeller = PanoramaLabeller(batches, options.views, options.view_size, options.height, device)
    works = list(shard_tasks(dataset, options.splits, options.shards))
    labels = _label_set(segmenter, labeller, options)
    labels.check(dataset)
    for folder in {dataset, *(work.path.parent for work in works)}:
        remove_leftovers(folder, labels.name)
    planned = {
        work.path: sum(work.num_maps(clip, labels.fps) for clip in work.missing(labels.name))
        for work in works
    }
    what = "labelling" if worker is None else f"worker {worker}: labelling"
    report, more = LabelReport(), True
    with Progress(what, sum(planned.values()), "panoramas") as progress:
        while more:  # whoever held a claim may have died meanwhile
            more, report.elsewhere = False, 0
            for work in works:
                if not planned.get(work.path):
                    continue
                if not work.missing(labels.name):
                    progress.advance(planned.pop(work.path))  # by another worker
                    continue
                with claimed(work.claim_path(labels.name)) as ours:
                    report.elsewhere += not ours
                    if ours:
                        del planned[work.path]
                        more = True
                        done = work.label(labels, labeller, progress.note, progress.advance)
                        report += replace(done, elsewhere=report.elsewhere)
    return report


@dataclass(frozen=True)
class WorkerTask:
    """What one process of several does."""

    dataset: Path
    segmenter: SegmenterConfig
    options: LabelOptions
    worker: int
    workers: int


def pseudolabel_in_processes(
    dataset: Path, segmenter: SegmenterConfig, options: LabelOptions, workers: int
) -> LabelReport:
    """Label with several processes of this machine; on GPUs, one after the other in turn.

    Raises:
        UserError: As for `pseudolabel`.
    """
    DatasetInfo.load(dataset)  # before anything large is read
    tasks = [WorkerTask(dataset, segmenter, options, n, workers) for n in range(workers)]
    if workers == 1:
        return run_worker(tasks[0])
    total = LabelReport()
    with WorkerPool(workers) as pool:
        for task, result in pool.run(run_worker, deque(tasks)):
            if isinstance(result, Crashed):
                raise UserError(
                    f"worker {task.worker}: {result.describe()}; the same command goes on from here"
                )
            total += result
    return total


def run_worker(task: WorkerTask) -> LabelReport:
    """Do one worker's part."""
    device = choose_device(task.options.device, task.worker % max(1, torch.cuda.device_count()))
    if device.type == "cpu" and task.workers > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // task.workers))
    segmenter = task.segmenter.build(device)
    worker = task.worker if task.workers > 1 else None
    return pseudolabel(task.dataset, segmenter, task.options, device, worker=worker)


def _label_set(segmenter: Segmenter, labeller: PanoramaLabeller, options: LabelOptions) -> LabelSet:
    views: dict[str, Any] = {"views": options.views}
    if options.views != PANORAMA:
        views["view_size"] = options.view_size
    return LabelSet(
        name=options.name,
        fps=options.fps,
        height=labeller.height,
        width=labeller.width,
        made_by={**segmenter.facts, **views},
    )
