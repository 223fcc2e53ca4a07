"""Label the clips of a dataset in a bucket, one shard at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from yt360.buckets.bucket import Bucket
from yt360.devices import choose_device
from yt360.errors import UserError
from yt360.labels.format.label_set import LabelSet
from yt360.labels.pseudolabel import LabelOptions, pseudolabel
from yt360.labels.segmenters.base import SegmenterConfig
from yt360.labels.shard_task import LabelReport, ShardTask, shard_tasks
from yt360.shards.bucket.workspace import Workspace, named_by_url, open_workspace


def pseudolabel_in_bucket(
    url: str,
    segmenter: SegmenterConfig,
    options: LabelOptions,
    *,
    label: Callable[..., LabelReport] = pseudolabel,
    cache: Path | None = None,
    bucket: Bucket | None = None,
) -> LabelReport:
    """Label the clips that have no labels; the bytes are those of labels in a local folder.

    A shard of clips that lacks labels is copied to the workspace, labelled, and removed there. Its
    labels are uploaded whole and verified, after the description of their set.

    Args:
        url: URL of the dataset.
        segmenter: Segments the images.
        options: Options of the run.
        label: Labels the clips of a local folder, as `pseudolabel` does.
        cache: Folder of all workspaces; see `yt360.shards.bucket.workspace`.
        bucket: The objects of the dataset; by default those at the URL.

    Raises:
        UserError: See `pseudolabel`; or the bucket cannot be read or written, or another process
            writes there, on whatever machine.
    """
    report = LabelReport()
    with open_workspace(url, cache, bucket) as workspace:
        folder = workspace.folder
        try:
            tasks = list(shard_tasks(folder, options.splits, options.shards))
            with workspace.locked():
                workspace.pull_file(LabelSet.path(folder, options.name).name)
                device = choose_device(options.device)
                network = segmenter.build(device)
                for task in tasks:
                    if _lacks_labels(workspace, task, options.name):
                        one = _options_of(task, options)
                        with workspace.whole_shard(task.path):
                            report += label(folder, network, one, device)
                        _publish(workspace, task, options.name)
                    task.labels_path(options.name).unlink(missing_ok=True)
        except UserError as error:
            raise named_by_url(error, folder, url) from None
    return report


def _lacks_labels(workspace: Workspace, task: ShardTask, name: str) -> bool:
    """Return whether clips of a shard have no labels in the bucket; copies those that exist."""
    workspace.pull_file(_object_name(task.labels_path(name)))
    return bool(task.missing(name))


def _options_of(task: ShardTask, options: LabelOptions) -> LabelOptions:
    """Return the options for one shard."""
    numbers = frozenset({int(task.path.stem.rpartition("-")[2])})
    split = next(split for split in options.splits if split == task.path.parent.name)
    return replace(options, splits=(split,), shards=numbers)


def _publish(workspace: Workspace, task: ShardTask, name: str) -> None:
    """Upload the labels of a shard, if any clip of it could be labelled."""
    labels = task.labels_path(name)
    if labels.exists():
        workspace.push_file(LabelSet.path(workspace.folder, name).name)
        workspace.push_file(_object_name(labels))


def _object_name(path: Path) -> str:
    """Return the name, in the bucket, of a file in the folder of a split."""
    return f"{path.parent.name}/{path.name}"
