"""Building a dataset: plan the clips of every input, make them, pack them into shards.

Every step leaves the folder so that the same call goes on from there, with the same bytes in the
end: clips wait in the staging folder until a shard that holds them is listed in ``dataset.json``,
and shards are packed in an order that depends on the inputs alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from yt360.errors import UserError
from yt360.execution.local import Pool, limited_pool
from yt360.files import DISK_FULL
from yt360.locks import exclusive_lock
from yt360.media.layout.doubts import Doubt
from yt360.shards.builder.inputs import FoundInputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.output import inputs_to_do, load_table, open_output
from yt360.shards.builder.session import BuildSession
from yt360.shards.builder.staging import Staging
from yt360.shards.format.schema import DatasetInfo, Rejection
from yt360.splits import SPLITS, Split


@dataclass(frozen=True)
class BuildReport:
    """What a build came to.

    Attributes:
        info: The dataset now.
        new_clips: Number of clips that this run added.
        rejected: Inputs of this run, and stretches of them, that are not in the dataset.
        notes: What else a person should know of the inputs that were looked at, a line each.
        doubts: Files, and what speaks against the layout that their sound is taken for.
    """

    info: DatasetInfo
    new_clips: int
    rejected: tuple[Rejection, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[tuple[str, Doubt], ...] = ()


def build_shards(
    found: FoundInputs,
    out: Path,
    options: BuildOptions,
    workers: int = 1,
    retry: bool = False,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
) -> BuildReport:
    """Make or extend the dataset in the folder `out`.

    Args:
        found: The inputs.
        out: The dataset's folder; it is made where it is missing.
        options: How the dataset is built; the same as before for one that exists.
        workers: Number of processes that decode and encode.
        retry: Try rejected inputs and stretches again even when they have not changed.
        make_pool: Makes the workers.

    Raises:
        UserError: `out` may not be written (it holds something else, other options were used, or
            another process is at it), or the disk is full.
    """
    if workers < 1:
        raise UserError(f"{workers} workers cannot work; give 1 or more")
    info = open_output(out, options)
    notes: tuple[str, ...] = ()
    doubts: tuple[tuple[str, Doubt], ...] = ()
    if not _is_up_to_date(out, info, found, retry):
        try:
            with exclusive_lock(Staging(out).lock, out):
                session = BuildSession(out, options, found, retry)
                with make_pool(workers) as pool:
                    session.run(pool)
                notes, doubts = tuple(session.notes), tuple(session.doubts)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise UserError(_disk_full(out)) from None
    after = DatasetInfo.load(out)
    files = {item.file_id for item in found.videos} | {each.file_id for each in found.rejected}
    rejected = tuple(item for item in after.rejected if item.file_id in files)
    return BuildReport(after, after.num_clips - info.num_clips, rejected, notes, doubts)


def _is_up_to_date(out: Path, info: DatasetInfo, found: FoundInputs, retry: bool) -> bool:
    """Tell, without writing anything, whether a run would change nothing."""
    if not info.complete or Staging(out).is_there:
        return False
    tables: dict[Split, pa.Table] = {}
    for split in SPLITS:
        tables[split], current = load_table(out / split, info.splits[split])
        if not current:
            return False
    known = set(found.rejected) <= set(info.rejected)
    return known and not inputs_to_do(found.videos, info, tables, retry)


def _disk_full(out: Path) -> str:
    free_mb = shutil.disk_usage(out if out.exists() else out.parent).free / 1e6
    return (
        f"no room left on the disk of {out} ({free_mb:.1f} MB free); make room and run the same "
        "command again, it goes on where it stopped"
    )
