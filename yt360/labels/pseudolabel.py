"""Label the clips of a dataset, in one or several processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field

from yt360.config import config_class
from yt360.devices import choose_device
from yt360.errors import UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.execution.local import Crashed, WorkerPool
from yt360.labels.format.label_set import (
    DEFAULT_NAME,
    MAX_FPS,
    MAX_ROWS,
    MIN_FPS,
    LabelSet,
    check_name,
)
from yt360.labels.segmenters.base import Segmenter, SegmenterConfig
from yt360.labels.segmenters.batches import Batches, usual_batch
from yt360.labels.shard_task import LabelReport, remove_leftovers, shard_tasks
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import DEFAULT_VIEWS, PANORAMA, view_set
from yt360.shards.format.schema import DatasetInfo
from yt360.splits import SPLITS, Split
from yt360.terminal.progress import Progress


def _known_views(name: str) -> str:
    if name != PANORAMA:
        view_set(name)
    return name


@config_class
class LabelOptions:
    """Options of a labelling run."""

    name: Annotated[str, AfterValidator(check_name)] = DEFAULT_NAME
    """Name of the set of labels."""
    views: Annotated[str, AfterValidator(_known_views)] = DEFAULT_VIEWS
    """Name of a set of views, or ``"panorama"``."""
    view_size: int = 512
    """Width and height of a view in pixels."""
    fps: Annotated[float, Field(ge=MIN_FPS, le=MAX_FPS)] = 4.0
    """Maps per second."""
    height: Annotated[int, Field(le=MAX_ROWS)] = 320
    """Rows of the maps."""
    batch: int | None = None
    """Images per batch; None uses the device's default."""
    device: str = "auto"
    """``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:NUMBER"``."""
    splits: tuple[Split, ...] = SPLITS
    """The splits to label."""
    shards: frozenset[int] | None = None
    """Numbers of the shards to label; None for all."""


def pseudolabel(
    dataset: Path,
    segmenter: Segmenter,
    options: LabelOptions,
    device: torch.device | None = None,
    *,
    worker: int | None = None,
    isolate: Callable[[], IsolatedProcess] = IsolatedProcess,
) -> LabelReport:
    """Label all clips of a dataset that have no labels and that no other process is labelling.

    Processes, also on several machines, share the work through locks next to the shards. Shards of
    labels are written atomically, and their bytes do not depend on the process if the segmenter is
    deterministic across machines.

    Args:
        dataset: The dataset folder.
        segmenter: Segments the images.
        options: Options of the run.
        device: Cuts views out of panoramas; None means the CPU.
        worker: Number of this process if one command has several.
        isolate: Makes the process that decodes clips.

    Raises:
        UserError: `dataset` is not a dataset, or its labels of that name were made with other
            options, or the segmenter cannot label it.
    """
    device = device or torch.device("cpu")
    batches = Batches(segmenter, options.batch or usual_batch(device))
    labeller = PanoramaLabeller(batches, options.views, options.view_size, options.height, device)
    tasks = list(shard_tasks(dataset, options.splits, options.shards))
    if hasattr(segmenter, "check_clips"):
        for clips in dict.fromkeys(task.reader for task in tasks):
            segmenter.check_clips(clips)
    labels = _label_set(segmenter, labeller, options)
    labels.check(dataset)
    remove_leftovers(dataset, tasks, labels.name)
    maps_to_make = {
        task.path: sum(task.num_maps(clip, labels.fps) for clip in task.missing(labels.name))
        for task in tasks
    }
    what = "labelling" if worker is None else f"worker {worker}: labelling"
    report, go_on = LabelReport(), True
    with (
        isolate() as isolated,
        Progress(what, sum(maps_to_make.values()), "panoramas") as progress,
    ):
        while go_on:  # a process that held a lock may have been killed in the meantime
            go_on, report.elsewhere = False, 0
            for task in tasks:
                if not maps_to_make.get(task.path):
                    continue
                if not task.missing(labels.name):  # another process has labelled it
                    progress.advance(maps_to_make.pop(task.path))
                    continue
                with task.locked(labels.name) as is_ours:
                    report.elsewhere += not is_ours
                    if is_ours:
                        del maps_to_make[task.path]
                        go_on = True
                        done = task.label(labels, labeller, isolated, progress)
                        report += replace(done, elsewhere=report.elsewhere)
    return report


@dataclass(frozen=True)
class WorkerTask:
    """The task of one process of several."""

    dataset: Path
    segmenter: SegmenterConfig
    options: LabelOptions
    worker: int
    workers: int


def pseudolabel_in_processes(
    dataset: Path, segmenter: SegmenterConfig, options: LabelOptions, workers: int
) -> LabelReport:
    """Label with several processes on this machine, which take its GPUs in turn.

    Raises:
        UserError: See `pseudolabel`; or a process died.
    """
    DatasetInfo.load(dataset)  # fail before a network is loaded
    tasks = [WorkerTask(dataset, segmenter, options, n, workers) for n in range(workers)]
    if workers == 1:
        return run_worker(tasks[0])
    total = LabelReport()
    with WorkerPool(workers) as pool:
        for task, result in pool.run(run_worker, deque(tasks)):
            if isinstance(result, Crashed):
                raise UserError(
                    f"worker {task.worker}: {result.describe()}; run the same command again to "
                    "continue",
                    code="system",
                )
            total += result
    return total


def run_worker(task: WorkerTask) -> LabelReport:
    """Label in one of several processes."""
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
