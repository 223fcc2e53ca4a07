"""Build a dataset in a local folder or in a bucket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from yt360.buckets.address import as_bucket_url
from yt360.buckets.bucket import Bucket
from yt360.errors import UserError
from yt360.execution.local import Pool, limited_pool
from yt360.shards.bucket.workspace import named_by_url, open_workspace
from yt360.shards.builder.build import BuildReport, build_shards
from yt360.shards.builder.inputs.input_video import FoundInputs
from yt360.shards.builder.options import BuildOptions


def build_anywhere(
    found: FoundInputs,
    out: str,
    options: BuildOptions,
    workers: int = 1,
    retry: bool = False,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
) -> BuildReport:
    """Make or extend the dataset at `out`: a folder, or the URL of one in a bucket.

    Raises:
        UserError: See `build_shards` and `build_in_bucket`.
    """
    url = as_bucket_url(out)
    if url is None:
        return build_shards(found, Path(out), options, workers, retry, make_pool)
    return build_in_bucket(found, url, options, workers, retry, make_pool)


def build_in_bucket(
    found: FoundInputs,
    url: str,
    options: BuildOptions,
    workers: int = 1,
    retry: bool = False,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
    *,
    cache: Path | None = None,
    bucket: Bucket | None = None,
) -> BuildReport:
    """Make or extend a dataset in a bucket: the bytes are those of the same build in a folder.

    Args:
        found: The inputs.
        url: URL of the dataset.
        options: Build options.
        workers: Number of processes that decode and encode.
        retry: See `build_shards`.
        make_pool: Creates the worker pool.
        cache: Folder of all workspaces; see `yt360.shards.bucket.workspace`.
        bucket: The objects of the dataset; by default those at the URL.

    Raises:
        UserError: See `build_shards`; or the bucket cannot be read or written, or another process
            writes there, on whatever machine.
    """
    with open_workspace(url, cache, bucket) as workspace:
        folder = workspace.folder
        try:
            return build_shards(found, folder, options, workers, retry, make_pool, workspace)
        except UserError as error:
            raise named_by_url(error, folder, url) from None
