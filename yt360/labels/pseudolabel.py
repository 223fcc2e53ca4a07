"""Label the clips of a dataset, in one or several processes."""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field

from yt360.config import config_class
from yt360.devices import choose_device, device_of_worker
from yt360.errors import UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.execution.local import Crashed, Pool, WorkerPool
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
from yt360.labels.shard_task import LabelReport, ShardTask, remove_leftovers, shard_tasks
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import DEFAULT_VIEWS, PANORAMA, view_set
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.schema import parse_shard_name
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
    view_size: Annotated[int, Field(ge=16, le=8192)] = 512
    """Width and height of a view in pixels."""
    fps: Annotated[float, Field(ge=MIN_FPS, le=MAX_FPS)] = 4.0
    """Maps per second."""
    height: Annotated[int, Field(le=MAX_ROWS)] = 320
    """Rows of the maps."""
    batch: Annotated[int, Field(ge=1, le=1024)] | None = None
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
    isolate: Callable[[], AbstractContextManager[IsolatedProcess]] = IsolatedProcess,
    progress: Callable[[str, int, str], Progress] = Progress,
    is_shared: bool = True,
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
        isolate: Makes the process that decodes clips.
        progress: Makes the progress of the run.
        is_shared: Whether other commands may label the dataset, too. If not, a shard that another
            process has locked is labelled nevertheless: that process is thought to be lost.

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
    report, go_on = LabelReport(), True
    with (
        isolate() as isolated,
        progress("labelling", sum(maps_to_make.values()), "panoramas") as shown,
    ):
        while go_on:  # a process that held a lock may have been killed in the meantime
            go_on, report.elsewhere = False, 0
            for task in tasks:
                if not maps_to_make.get(task.path):
                    continue
                if not task.missing(labels.name):  # another process has labelled it
                    shown.advance(maps_to_make.pop(task.path))
                    continue
                with task.locked(labels.name) if is_shared else nullcontext(True) as is_ours:
                    report.elsewhere += not is_ours
                    if is_ours:
                        del maps_to_make[task.path]
                        go_on = True
                        done = task.label(labels, labeller, isolated, shown)
                        report += replace(done, elsewhere=report.elsewhere)
    return report


@dataclass(frozen=True)
class WorkerTask:
    """A shard to label in a worker process.

    Attributes:
        shard: The shard of clips.
        segmenter: Config of the segmenter, which a worker builds once.
        options: Options that choose this shard.
        panoramas: Number of maps to make.
        threads: Threads of a worker on a CPU, on this machine; None on others: the number that the
            engine states.
    """

    shard: Path
    segmenter: SegmenterConfig
    options: LabelOptions
    panoramas: int
    threads: int | None


def pseudolabel_in_processes(
    dataset: Path,
    segmenter: SegmenterConfig,
    options: LabelOptions,
    workers: int,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = WorkerPool,
) -> LabelReport:
    """Label with several processes, which take the GPUs of their machine in turn.

    One process of this machine is this one.

    Args:
        dataset: The dataset folder.
        segmenter: Config of the segmenter.
        options: Options of the run.
        workers: Number of processes.
        make_pool: Creates the worker pool.

    Raises:
        UserError: See `pseudolabel`; or a process died.
    """
    DatasetInfo.load(dataset)  # fail before a network is loaded
    threads = threads_of_worker(make_pool, workers)
    shards = shard_tasks(dataset, options.splits, options.shards)
    found = (worker_task(each, segmenter, options, threads) for each in shards)
    tasks = deque(each for each in found if each is not None)
    if (make_pool is WorkerPool and workers == 1) or not tasks:
        device = choose_device(options.device)
        return pseudolabel(dataset, segmenter.build(device), options, device)
    count = sum(task.panoramas for task in tasks)
    with make_pool(workers) as pool, Progress("labelling", count, "panoramas") as progress:
        return label_shards(
            pool, tasks, progress.note, lambda task: progress.advance(task.panoramas)
        )


def label_shards(
    pool: Pool,
    tasks: deque[WorkerTask],
    note: Callable[[str], None],
    finished: Callable[[WorkerTask], None],
) -> LabelReport:
    """Label shards in worker processes.

    Args:
        pool: The workers.
        tasks: The shards.
        note: Called with one line for each clip that is skipped.
        finished: Called with each task that was carried out; it may add tasks.

    Raises:
        UserError: See `pseudolabel`; or a process died.
    """
    total = LabelReport()
    for task, result in pool.run(run_worker, tasks):
        if isinstance(result, Crashed):
            raise UserError(
                f"{task.shard.name} of {task.shard.parent.name}: {result.describe()}; run the "
                "same command again to continue",
                code="system",
            )
        report, notes = result
        for line in notes:
            note(line)
        total = replace(total + report, elsewhere=total.elsewhere + report.elsewhere)
        finished(task)
    return total


def threads_of_worker(
    make_pool: Callable[[int], AbstractContextManager[Pool]], workers: int
) -> int | None:
    """Return `WorkerTask.threads` for a pool."""
    return max(1, torch.get_num_threads() // workers) if make_pool is WorkerPool else None


def worker_task(
    shard: ShardTask, segmenter: SegmenterConfig, options: LabelOptions, threads: int | None
) -> WorkerTask | None:
    """Return the task of labelling a shard of clips; None if all of them have labels."""
    clips, name = shard.missing(options.name), parse_shard_name(shard.path.name)
    if not clips or name is None:
        return None
    (split,) = (each for each in options.splits if each == shard.path.parent.name)
    one = replace(options, splits=(split,), shards=frozenset({name[1]}))
    count = sum(shard.num_maps(clip, options.fps) for clip in clips)
    return WorkerTask(shard.path, segmenter, one, count, threads)


class _Notes(Progress):
    """Collects notes and prints nothing, in a worker process."""

    def __init__(self, *_: object) -> None:
        self.notes: list[str] = []

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, amount: int = 1) -> None:
        pass

    def note(self, message: str) -> None:
        self.notes.append(message)


def run_worker(task: WorkerTask) -> tuple[LabelReport, list[str]]:
    """Label a shard in a worker process; return the report and notes."""
    segmenter, device, isolated = _loaded(
        pickle.dumps(task.segmenter), task.options.device, task.threads
    )
    notes = _Notes()
    report = pseudolabel(
        task.shard.parents[1],
        segmenter,
        task.options,
        device,
        isolate=lambda: nullcontext(isolated),
        progress=lambda *_: notes,
        is_shared=task.threads is not None,
    )
    return report, notes.notes


@lru_cache(maxsize=1)
def _loaded(
    config: bytes, device_name: str, threads: int | None
) -> tuple[Segmenter, torch.device, IsolatedProcess]:
    """Return what a worker keeps between tasks."""
    device = device_of_worker(device_name)
    if device.type == "cpu":
        torch.set_num_threads(threads or int(os.environ.get("OMP_NUM_THREADS", "1")))
    segmenter: Segmenter = pickle.loads(config).build(device)
    return segmenter, device, IsolatedProcess()


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
