"""Build a dataset: select the clips of every input, convert them, write them into shards.

After an interruption at any step, the same call continues and ends with the same bytes: clips stay
in the staging folder until ``dataset.json`` lists a shard that holds them, and the order of clips
in the shards depends on the inputs alone.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from yt360.errors import UserError
from yt360.execution.local import Pool, limited_pool
from yt360.files import DISK_FULL
from yt360.locks import exclusive_lock
from yt360.media.layout.warnings import LayoutWarning
from yt360.shards.bucket.publisher import InPlace, Publisher
from yt360.shards.builder.build_run import BuildRun, CorrectedFile
from yt360.shards.builder.existing_dataset import (
    describe_packed,
    inputs_to_do,
    load_table,
    open_output,
)
from yt360.shards.builder.inputs.input_video import FoundInputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.splits.given import check_given_splits
from yt360.shards.builder.staging import StagingFolder
from yt360.shards.format.dataset_info import DatasetInfo, Rejection
from yt360.shards.format.schema import DATASET_FILE
from yt360.splits import SPLITS, Split


@dataclass(frozen=True)
class BuildReport:
    """The result of a build.

    Attributes:
        info: The dataset after the build.
        new_clips: Number of clips that this run added.
        rejected: Inputs of this run, and parts of them, that are not in the dataset.
        notes: Notes on the inputs, one line each.
        layout_warnings: Warnings about the audio layout of files: (name of the file, warning).
        corrected: Files whose gain of W is corrected in new clips.
    """

    info: DatasetInfo
    new_clips: int
    rejected: tuple[Rejection, ...]
    notes: tuple[str, ...] = ()
    layout_warnings: tuple[tuple[str, LayoutWarning], ...] = ()
    corrected: tuple[CorrectedFile, ...] = ()


def build_shards(
    found: FoundInputs,
    out: Path,
    options: BuildOptions,
    workers: int = 1,
    retry: bool = False,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
    publisher: Publisher | None = None,
) -> BuildReport:
    """Make or extend the dataset in the folder `out`.

    Args:
        found: The inputs.
        out: The dataset's folder; it is created if it does not exist.
        options: Build options; they must equal those of an existing dataset.
        workers: Number of processes that decode and encode.
        retry: Try rejected inputs, and rejected parts of inputs, again even if they have not
            changed.
        make_pool: Creates the worker pool.
        publisher: Copies the dataset elsewhere as it is built; None: `out` is its place.

    Raises:
        UserError: `out` holds something else or was built with other options, another process
            writes to it, the disk is full, or splits of inputs must be given and are not, or are
            others than in `out`. A new folder without any result is then removed.
    """
    if workers < 1:
        raise UserError(
            f"workers is {workers}; give 1 or more", code="out-of-range", key="--workers"
        )
    publisher = publisher or InPlace()
    info = open_output(out, options)
    build = None
    if not _is_up_to_date(out, info, options, found, retry):
        is_new = not out.exists()
        try:
            with (
                make_pool(workers) as pool,
                exclusive_lock(StagingFolder(out).lock, out),
                _removed_if_refused(out if is_new else None),
                publisher.writing(),
            ):
                build = BuildRun(out, options, found, retry, publisher)
                build.run(pool)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise UserError(_disk_full(out, error.errno), code="system", key=out) from None
    after = DatasetInfo.load(out)
    notes = describe_packed(found, lambda split: load_table(out / split, after.splits[split])[0])
    files = {item.file_id for item in found.videos} | {each.file_id for each in found.rejected}
    rejected = tuple(item for item in after.rejected if item.file_id in files)
    new_clips = after.num_clips - info.num_clips
    if build is None:
        return BuildReport(after, new_clips, rejected, tuple(notes))
    return BuildReport(
        after,
        new_clips,
        rejected,
        (*build.notes, *notes),
        tuple(build.layout_warnings),
        tuple(build.corrected),
    )


def _is_up_to_date(
    out: Path, info: DatasetInfo, options: BuildOptions, found: FoundInputs, retry: bool
) -> bool:
    """Return whether a build would change nothing; writes no file."""
    if not info.complete or StagingFolder(out).exists():
        return False
    tables: dict[Split, pa.Table] = {}
    for split in SPLITS:
        tables[split], current = load_table(out / split, info.splits[split])
        if not current:
            return False
    if options.test_fraction is None:
        check_given_splits(found.videos, tables)
    known = set(found.rejected) <= set(info.rejected)
    return known and not inputs_to_do(found.videos, info, tables, retry)


@contextmanager
def _removed_if_refused(out: Path | None) -> Iterator[None]:
    """Remove a new dataset without results, which this process has locked, if the block refuses."""
    try:
        yield
    except UserError:
        if out is not None and not StagingFolder(out).has_results():
            (out / DATASET_FILE).unlink(missing_ok=True)
            StagingFolder(out).remove()
            with suppress(OSError):  # somebody else has put something there
                out.rmdir()
        raise


def _disk_full(out: Path, number: int | None) -> str:
    if number != errno.ENOSPC:
        limit = "quota" if number == errno.EDQUOT else "limit of file sizes (`ulimit -f`)"
        return (
            f"the {limit} of {out} is exhausted; raise it, or free some space, and run the same "
            "command again to continue"
        )
    free_mb = shutil.disk_usage(out if out.exists() else out.parent).free / 1e6
    return (
        f"the disk of {out} is full ({free_mb:.1f} MB free); free some space and run the same "
        "command again to continue"
    )
