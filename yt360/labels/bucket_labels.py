"""Label the clips of a dataset in a bucket, some shards at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path

from yt360.buckets.bucket import Bucket
from yt360.errors import UserError
from yt360.execution.local import Pool, WorkerPool
from yt360.labels.format.label_set import LabelSet
from yt360.labels.format.shard_file import label_shard
from yt360.labels.pseudolabel import (
    LabelOptions,
    WorkerTask,
    label_shards,
    threads_of_worker,
    worker_task,
)
from yt360.labels.segmenters.base import SegmenterConfig
from yt360.labels.shard_task import LabelReport, shard_tasks
from yt360.shards.bucket.workspace import Workspace, named_by_url, open_workspace
from yt360.terminal.progress import Progress


def pseudolabel_in_bucket(
    url: str,
    segmenter: SegmenterConfig,
    options: LabelOptions,
    workers: int = 1,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = WorkerPool,
    *,
    cache: Path | None = None,
    bucket: Bucket | None = None,
) -> LabelReport:
    """Label the clips that have no labels; the bytes are those of labels in a local folder.

    Shards of clips that lack labels are copied to the workspace, one more than there are workers,
    and removed there when they are labelled. Labels of a shard are uploaded whole and verified,
    after the description of their set. Workers read and write the workspace alone.

    Args:
        url: URL of the dataset.
        segmenter: Config of the segmenter.
        options: Options of the run.
        workers: Number of processes.
        make_pool: Creates the worker pool.
        cache: Folder of all workspaces; see `yt360.shards.bucket.workspace`.
        bucket: The objects of the dataset; by default those at the URL.

    Raises:
        UserError: See `label_shards`; or the bucket cannot be read or written, or another process
            writes there, on whatever machine.
    """
    with open_workspace(url, cache, bucket) as workspace:
        try:
            with workspace.locked():
                return _label(workspace, segmenter, options, workers, make_pool)
        except UserError as error:
            raise named_by_url(error, workspace.folder, url) from None


def _label(
    workspace: Workspace,
    segmenter: SegmenterConfig,
    options: LabelOptions,
    workers: int,
    make_pool: Callable[[int], AbstractContextManager[Pool]],
) -> LabelReport:
    shards = list(shard_tasks(workspace.folder, options.splits, options.shards))
    label_set = LabelSet.path(workspace.folder, options.name)
    threads = threads_of_worker(make_pool, workers)
    fetched: dict[Path, ExitStack] = {}
    """What removes a shard and its labels from the workspace, by the path of the shard."""

    with ExitStack() as stack, Progress("labelling", len(shards), "shards") as progress:

        def fetch() -> Iterator[WorkerTask]:
            workspace.pull_file(label_set.name)
            for shard in shards:
                labels = shard.labels_path(options.name)
                removal = stack.enter_context(ExitStack())
                removal.callback(labels.unlink, missing_ok=True)
                workspace.pull_file(_object_name(labels))
                task = worker_task(shard, segmenter, options, threads)
                if task is None:
                    removal.close()
                    progress.advance()
                    continue
                removal.enter_context(workspace.whole_shard(shard.path))
                fetched[shard.path] = removal
                yield task

        def publish(task: WorkerTask) -> None:
            labels = label_shard(task.shard, options.name)
            if labels.exists():  # some clip of the shard could be labelled
                workspace.push_file(label_set.name)
                workspace.push_file(_object_name(labels))
            fetched.pop(task.shard).close()
            progress.advance()
            tasks.extend(islice(more, 1))

        more = fetch()
        tasks = deque(islice(more, workers + 1))
        if not tasks:
            return LabelReport()
        with make_pool(workers) as pool:
            return label_shards(pool, tasks, progress.note, publish)


def _object_name(path: Path) -> str:
    """Return the name, in the bucket, of a file in the folder of a split."""
    return f"{path.parent.name}/{path.name}"
