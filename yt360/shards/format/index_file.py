"""Read ``index.parquet``: check its size before decoding, and its values before use.

The checks work on whole columns and take less time than reading the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from yt360.clips import MAX_ID_LENGTH
from yt360.errors import UserError
from yt360.shards.format.arrow_values import numbers_of, scalar_of
from yt360.shards.format.dataset_info import ShardInfo, SplitInfo
from yt360.shards.format.schema import CLIP_MEMBERS, INDEX_FILE, MAX_CLIP_S, MAX_SECOND, ClipRow
from yt360.untrusted.files import read_limited

_ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
INDEX_SCHEMA = pa.schema(
    [pa.field(each.name, _ARROW_TYPES[str(each.type)], nullable=False) for each in fields(ClipRow)]
)
MAX_INDEX_BYTES = 1 << 31
_MAX_ROW_BYTES = 1000  # decoded; rows have about 150
_MAX_FOOTER_STRING, _MAX_FOOTER_LIST = 1 << 20, 10_000
# Read as dictionaries: a value that a million rows share is decoded once.
_TEXT_COLUMNS = ("key", "video_id", "shard")
_LONGEST = {"video_id": MAX_ID_LENGTH, "shard": 100, "key": MAX_ID_LENGTH + 20}  # bytes
_VIDEO_ID = rf"^[A-Za-z0-9_-]{{1,{MAX_ID_LENGTH}}}$"

Numbers = NDArray[np.int64]


def read_index(
    split_folder: Path,
    info: SplitInfo,
    *,
    columns: Sequence[str] = tuple(INDEX_SCHEMA.names),
    plain: bool = True,
    verify_keys: bool = False,
    advice: str | None = None,
) -> pa.Table:
    """Return the index of a split, in the order of its shards.

    Keys are computed from `video_id` and `start_s`, in half the time of reading them.

    Args:
        split_folder: The split's folder.
        info: The split in ``dataset.json``. The index may list fewer clips, but no others.
        columns: Columns to read and check, with ``shard``, and with both columns of a byte range or
            none. Keys need ``video_id`` and ``start_s``.
        plain: Whether ``shard`` is a column of texts; else of dictionaries of texts, in a fifth of
            the memory.
        verify_keys: Also read the keys, and compare them.
        advice: Repair instruction for error messages; by default ``yt360 index``.

    Returns:
        A table with these columns, in the order of `ClipRow`. Its shards are those of `info`, byte
        ranges lie inside them, and numbers are in the ranges of `yt360.shards.format.schema`.

    Raises:
        UserError: It does not exist, cannot be read, or has an invalid value.
    """
    path = split_folder / INDEX_FILE
    advice = advice or f"`yt360 index {split_folder.parent}` rebuilds it"
    try:
        content = read_limited(path, MAX_INDEX_BYTES, inside=split_folder.parent)
        with _open(content) as file:
            metadata = file.metadata
            names = file.schema_arrow.names
            if not file.schema_arrow.equals(INDEX_SCHEMA):
                raise UserError(
                    f"{path} has the columns {str(names)[:200]}, not those of this version; "
                    f"{advice}",
                    key=path,
                )
        _check_size(metadata, len(content), info)
        wanted = [name for name in columns if verify_keys or name != "key"]
        with _open(content, metadata=metadata, read_dictionary=list(_TEXT_COLUMNS)) as file:
            # A thread of Arrow that is alive at the end can abort the program (apache/arrow#34314).
            # One column at a time, because a column takes more memory while it is decoded.
            found = {name: _column(file.read([name], use_threads=False), name) for name in wanted}
        _validate(found, info)
        if "key" in columns:
            keys = keys_of(found["video_id"], found["start_s"])
            if verify_keys and not found["key"].equals(keys):
                raise ValueError("a key is not VIDEO_ID-START")
            found["key"] = keys
        if plain:
            found["shard"] = found["shard"].cast(pa.string())
        schema = pa.schema(
            [each.with_type(found[each.name].type) for each in INDEX_SCHEMA if each.name in found]
        )
        table = pa.table([found[name] for name in schema.names], schema=schema)
        pa.default_memory_pool().release_unused()  # what decoding took beyond the table
        return table
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{split_folder} has no {INDEX_FILE}; `yt360 index {split_folder.parent}` creates it",
            code="missing",
            key=path,
        ) from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read ({_one_line(error)}); {advice}", key=path) from None


def _open(content: bytes, **more: Any) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.BufferReader(content),
        thrift_string_size_limit=_MAX_FOOTER_STRING,
        thrift_container_size_limit=_MAX_FOOTER_LIST,
        **more,
    )


def _check_size(metadata: pq.FileMetaData, file_bytes: int, info: SplitInfo) -> None:
    """Check the size of the table before it is decoded."""
    rows = metadata.num_rows
    if not 0 <= rows <= min(info.clips, file_bytes):
        raise ValueError(f"{rows} rows in {file_bytes} bytes; dataset.json lists {info.clips}")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != rows:
        raise ValueError(f"its row groups do not have {rows} rows together")
    for group in groups:
        columns = [group.column(number) for number in range(group.num_columns)]
        size = sum(column.total_uncompressed_size for column in columns)
        if group.num_rows < 0 or any(column.num_values != group.num_rows for column in columns):
            raise ValueError(f"a row group does not have {group.num_rows} values per column")
        if size > _MAX_ROW_BYTES * (group.num_rows + 1000):
            raise ValueError(f"{size} bytes for {group.num_rows} rows")


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column after checks that do not need other columns, with dictionaries of shards."""
    import pyarrow.compute as pc  # a slow import

    table.validate(full=True)
    column = table.column(name)
    if column.null_count:
        raise ValueError("it has empty values")
    if name in _TEXT_COLUMNS:
        for chunk in column.chunks:
            if (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > _LONGEST[name]:
                raise ValueError(f"a {name} is longer than {_LONGEST[name]} bytes")
    if name == "video_id":
        _check_ids(column)
    if name == "shard":
        return column
    return column.cast(INDEX_SCHEMA.field(name).type)


def _validate(columns: Mapping[str, pa.ChunkedArray], info: SplitInfo) -> None:
    """Validate the values of columns, without keys; ``shard`` has dictionaries."""
    for name in {"start_s", "file_start_s"} & columns.keys():
        numbers = numbers_of(columns[name])
        _require((numbers >= 0) & (numbers <= MAX_SECOND), name, numbers)
    if "duration_s" in columns:
        durations_s = numbers_of(columns["duration_s"])
        _require((durations_s > 0) & (durations_s <= MAX_CLIP_S), "duration_s", durations_s)
    _check_ranges(columns, info.shards)


def _check_ids(encoded: pa.ChunkedArray) -> None:
    import pyarrow.compute as pc  # a slow import

    for chunk in encoded.chunks:
        good = pc.match_substring_regex(chunk.dictionary, _VIDEO_ID)
        if not pc.all(good).as_py():
            bad = chunk.dictionary.filter(pc.invert(good))[0].as_py()
            raise ValueError(f"{bad!r} is not a video id")


def _check_ranges(columns: Mapping[str, pa.ChunkedArray], shards: Sequence[ShardInfo]) -> None:
    """Check that shards are listed and that members lie inside them."""
    bytes_of = {shard.name: shard.bytes for shard in shards}
    parts = [_sizes(chunk, bytes_of) for chunk in columns["shard"].chunks]
    sizes = np.concatenate([np.empty(0, np.int64), *parts])
    for member in CLIP_MEMBERS:
        if f"{member}_offset" not in columns:
            continue
        offset, size = (numbers_of(columns[f"{member}_{name}"]) for name in ("offset", "bytes"))
        _require((offset >= 0) & (offset <= sizes), f"{member}_offset", offset)
        _require((size >= 0) & (size <= sizes - offset), f"{member}_bytes", size)


def _sizes(encoded: pa.DictionaryArray, bytes_of: Mapping[str, int]) -> Numbers:
    """Return the size of the shard of each clip."""
    names, numbers = encoded.dictionary.to_pylist(), numbers_of(encoded.indices)
    listed = np.array([name in bytes_of for name in names], bool)[numbers]
    if not listed.all():
        unknown = names[numbers[np.argmin(listed)]]
        raise ValueError(f"dataset.json does not list the shard {unknown!r}")
    return np.array([bytes_of.get(name, 0) for name in names], np.int64)[numbers]


def _require(good: NDArray[np.bool_], name: str, values: NDArray) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(f"{name} of clip {row} is {values[row]}, outside its range")


def keys_of(
    video_ids: pa.ChunkedArray | pa.Array, starts_s: pa.ChunkedArray | pa.Array
) -> pa.ChunkedArray | pa.Array:
    """Return the key of each clip, as `yt360.clips.clip_key` creates it."""
    import pyarrow.compute as pc  # a slow import

    seconds = pc.ascii_lpad(starts_s.cast(pa.string()), 5, "0")
    return pc.binary_join_element_wise(video_ids, seconds, scalar_of("-"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
