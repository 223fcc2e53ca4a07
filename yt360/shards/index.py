"""The index of a split: a row per clip that says where in which shard its members lie.

Shards are complete without it. It is made from the tars alone and can be rebuilt at any time.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from yt360.clips import parse_key
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.shards.schema import CLIP_MEMBERS, INDEX_FILE, ClipRow, DatasetInfo
from yt360.shards.writer import TAR_BLOCK
from yt360.splits import SPLITS

_ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
INDEX_SCHEMA = pa.schema(
    [pa.field(each.name, _ARROW_TYPES[str(each.type)], nullable=False) for each in fields(ClipRow)]
)


@dataclass(frozen=True)
class SampleRanges:
    """Where the members of one sample lie in a shard: suffix -> (offset, length) in bytes."""

    key: str
    members: dict[str, tuple[int, int]]


def scan_shard(path: Path) -> Iterator[SampleRanges]:
    """Yield the samples of a shard of any kind, in its order, reading only tar headers.

    Raises:
        UserError: The file is no whole tar, or holds something other than samples.
    """
    current: SampleRanges | None = None
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                # Otherwise the headers of the whole shard stay in memory.
                tar.members = []  # type: ignore[attr-defined]
                key, _, suffix = entry.name.partition(".")
                if not entry.isreg() or not key or not suffix or "/" in entry.name:
                    raise UserError(f"{path}: {entry.name!r} is no member of a sample")
                if current is None or key != current.key:
                    if current is not None:
                        yield current
                    current = SampleRanges(key, {})
                if suffix in current.members:
                    raise UserError(f"{path}: member {entry.name!r} is there twice")
                current.members[suffix] = (entry.offset_data, entry.size)
            _require_end(path, tar.offset)
    except (tarfile.TarError, EOFError) as error:
        raise UserError(f"{path} is no whole tar: {error}") from None
    if current is not None:
        yield current


def clip_rows(path: Path) -> list[ClipRow]:
    """Return the index rows of a shard of clips, in its order.

    Raises:
        UserError: The shard cannot be read, a member is missing, or a ``.json`` is not as the
            format says.
    """
    rows = []
    with path.open("rb") as file:
        for sample in scan_shard(path):
            if tuple(sorted(sample.members)) != CLIP_MEMBERS:
                raise UserError(
                    f"{path}: clip {sample.key} has the members {sorted(sample.members)}; "
                    f"it should have {list(CLIP_MEMBERS)}"
                )
            file.seek(sample.members["json"][0])
            facts = _clip_facts(path, sample.key, file.read(sample.members["json"][1]))
            ranges: dict[str, Any] = {}
            for member, (offset, size) in sample.members.items():
                ranges[f"{member}_offset"], ranges[f"{member}_bytes"] = offset, size
            rows.append(ClipRow(key=sample.key, shard=path.name, **facts, **ranges))
    return rows


def index_table(rows: Iterable[ClipRow]) -> pa.Table:
    """Return rows as a table with the columns of `ClipRow`."""
    rows = list(rows)
    columns = {name: [getattr(row, name) for row in rows] for name in INDEX_SCHEMA.names}
    return pa.table(columns, schema=INDEX_SCHEMA)


def read_index(split_folder: Path) -> pa.Table:
    """Return the index of a split, in the order of its shards.

    Raises:
        UserError: There is none or it cannot be read.
    """
    path = split_folder / INDEX_FILE
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError:
        raise UserError(
            f"{split_folder} has no {INDEX_FILE}; `yt360 index {split_folder.parent}` makes it"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"{path} cannot be read ({error}); `yt360 index {split_folder.parent}` rebuilds it"
        ) from None
    if not table.schema.equals(INDEX_SCHEMA):
        raise UserError(
            f"{path} has the columns {table.schema.names}, not those of this version; "
            f"`yt360 index {split_folder.parent}` rebuilds it"
        )
    return table


def table_rows(table: pa.Table) -> list[ClipRow]:
    """Return the rows of an index table."""
    return [ClipRow(**row) for row in table.to_pylist()]


def write_index(split_folder: Path, table: pa.Table) -> bool:
    """Write the index of a split atomically, unless it already says the same.

    Returns:
        Whether anything was written.
    """
    try:
        if read_index(split_folder).equals(table):
            return False
    except UserError:
        pass
    with atomic_write(split_folder / INDEX_FILE) as file:
        pq.write_table(table, file, compression="zstd")
    return True


def rebuild_index(dataset: Path) -> dict[str, int]:
    """Make the index of every split from its tars alone.

    Returns:
        Number of clips of each split.

    Raises:
        UserError: `dataset` is none, or a shard cannot be read.
    """
    info = DatasetInfo.load(dataset)
    counts: dict[str, int] = {}
    for split in SPLITS:
        folder = dataset / split
        shards = [folder / shard.name for shard in info.splits[split].shards]
        for path in shards:
            if not path.is_file():
                raise UserError(f"{path} is missing; it is listed in dataset.json")
        rows = [row for path in shards for row in clip_rows(path)]
        folder.mkdir(exist_ok=True)
        write_index(folder, index_table(rows))
        counts[split] = len(rows)
    return counts


def _clip_facts(path: Path, key: str, content: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(content)
        values = {
            "video_id": str(facts["video_id"]),
            "start_s": int(facts["start_s"]),
            "duration_s": float(facts["duration_s"]),
            "file_start_s": int(facts["source"]["file_start_s"]),
        }
        agrees = parse_key(key) == (values["video_id"], values["start_s"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: {key}.json cannot be used ({type(error).__name__}: {error})"
        ) from None
    if not agrees:
        raise UserError(f"{path}: {key}.json is about another clip: {values}")
    return values


def _require_end(path: Path, end_of_members: int) -> None:
    # tarfile takes damage behind the first header for the end; a real end is two empty blocks.
    with path.open("rb") as file:
        file.seek(end_of_members)
        if file.read(2 * TAR_BLOCK) != bytes(2 * TAR_BLOCK):
            raise UserError(f"{path} is no whole tar: it breaks off at byte {end_of_members}")
