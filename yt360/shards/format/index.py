"""The index of a split: one row per clip, with the shard and the byte ranges of its members.

The index is derived from the shards alone and can be rebuilt at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.shards.format.arrow_values import array_of
from yt360.shards.format.clip_facts import facts_at
from yt360.shards.format.dataset_info import DatasetInfo, SplitInfo
from yt360.shards.format.index_file import INDEX_SCHEMA, read_index
from yt360.shards.format.scan import SampleRanges, scan_shard
from yt360.shards.format.schema import CLIP_MEMBERS, INDEX_FILE, ClipRow
from yt360.splits import SPLITS
from yt360.untrusted.files import open_regular


def clip_rows(path: Path) -> list[ClipRow]:
    """Return the index rows of a shard of clips, in its order.

    Args:
        path: The shard, in the folder of a split.

    Raises:
        UserError: The shard cannot be read, a member is missing, or a ``.json`` is invalid.
    """
    dataset = path.parent.parent
    try:
        with open_regular(path, dataset) as file:
            return [_clip_row(path, file, sample) for sample in scan_shard(path, dataset)]
    except ValueError as error:
        raise UserError(str(error), key=path) from None


def index_table(rows: Iterable[ClipRow]) -> pa.Table:
    """Return rows as a table with the columns of `ClipRow`."""
    rows = list(rows)
    columns = [
        array_of([getattr(row, each.name) for row in rows], each.type) for each in INDEX_SCHEMA
    ]
    return pa.table(columns, schema=INDEX_SCHEMA)


def write_index(split_folder: Path, table: pa.Table, info: SplitInfo) -> bool:
    """Write the index of a split atomically, unless it is up to date.

    Args:
        split_folder: The split's folder.
        table: The index.
        info: The split in ``dataset.json``.

    Returns:
        Whether anything was written.
    """
    try:
        if read_index(split_folder, info, verify_keys=True).equals(table):
            return False
    except UserError:
        pass
    with atomic_write(split_folder / INDEX_FILE) as file:
        pq.write_table(table, file, compression="zstd")
    return True


def rebuild_index(dataset: Path) -> dict[str, int]:
    """Rebuild the index of every split from its shards alone.

    Returns:
        Number of clips of each split.

    Raises:
        UserError: `dataset` is not a dataset, or a shard cannot be read.
    """
    info = DatasetInfo.load(dataset)
    counts: dict[str, int] = {}
    for split in SPLITS:
        folder = dataset / split
        shards = [folder / shard.name for shard in info.splits[split].shards]
        for path in shards:
            if not path.exists():
                raise UserError(
                    f"{path} is missing; it is listed in dataset.json", code="missing", key=path
                )
        rows = [row for path in shards for row in clip_rows(path)]
        folder.mkdir(exist_ok=True)
        write_index(folder, index_table(rows), info.splits[split])
        counts[split] = len(rows)
    return counts


def _clip_row(path: Path, file: BinaryIO, sample: SampleRanges) -> ClipRow:
    if tuple(sorted(sample.members)) != CLIP_MEMBERS:
        raise UserError(
            f"{path}: clip {sample.key} has the members {sorted(sample.members)}; "
            f"expected are {list(CLIP_MEMBERS)}",
            key=path,
        )
    try:
        facts = facts_at(file, *sample.members["json"])
    except ValueError as error:
        raise UserError(f"{path}: {sample.key}.json is invalid: {error}", key=path) from None
    if facts.key != sample.key:
        raise UserError(f"{path}: {sample.key}.json describes another clip: {facts.key}", key=path)
    ranges: dict[str, Any] = {}
    for member, (offset, size) in sample.members.items():
        ranges[f"{member}_offset"], ranges[f"{member}_bytes"] = offset, size
    return ClipRow(
        key=sample.key,
        video_id=facts.video_id,
        start_s=facts.start_s,
        duration_s=facts.duration_s,
        file_start_s=facts.source.file_start_s,
        shard=path.name,
        **ranges,
    )
