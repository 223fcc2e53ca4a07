"""Open the dataset folder that a build writes to, and list the inputs to process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from yt360 import __version__
from yt360.errors import UserError
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo, fingerprint_of
from yt360.shards.builder.options import (
    OPTIONS_OF_OLD_DATASETS,
    BuildOptions,
)
from yt360.shards.builder.staging import STAGING_FOLDER
from yt360.shards.format.arrow_values import scalar_of
from yt360.shards.format.dataset_info import DatasetInfo, SplitInfo
from yt360.shards.format.differences import first_difference
from yt360.shards.format.index import clip_rows, index_table
from yt360.shards.format.index_file import read_index
from yt360.shards.format.schema import CLIPS, DATASET_FILE, INDEX_FILE, parse_shard_name
from yt360.splits import SPLITS, Split


def open_output(out: Path, options: BuildOptions) -> DatasetInfo:
    """Return the content of a dataset folder; it is empty if there is no dataset yet.

    A dataset without shards adopts the new options.

    Raises:
        UserError: The folder holds something else, or a dataset built with other options.
    """
    fresh = DatasetInfo(options=options.to_json(), built_with=__version__)
    if not out.exists():
        return fresh
    if not out.is_dir():
        raise UserError(f"{out} is a file; give --out a folder", code="exists", key="--out")
    if not (out / DATASET_FILE).exists():
        foreign = [name for name in os.listdir(out) if not _is_build_file(name)]  # noqa: PTH208
        if foreign:
            raise UserError(
                f"{out} is not empty and not a dataset (it contains {sorted(foreign)[0]!r}); "
                "give --out a new or empty folder",
                code="exists",
                key="--out",
            )
        return fresh
    info = DatasetInfo.load(out)
    difference = first_difference(fresh.options, {**OPTIONS_OF_OLD_DATASETS, **info.options})
    if difference is None:
        return info
    if not any(split.shards for split in info.splits.values()):
        return fresh
    raise UserError(
        f"{out} was built with other options ({difference}); "
        "give the same options, or another --out",
        code="conflict",
        key="--out",
    )


def load_table(split_folder: Path, info: SplitInfo) -> tuple[pa.Table, bool]:
    """Return the index of the shards that `info` lists, and whether the index file is up to date.

    A killed build leaves an index without the newest shards; their rows are read from the shards.

    Raises:
        UserError: A shard cannot be read.
    """
    names = [shard.name for shard in info.shards]
    try:
        table = read_index(split_folder, info)
    except UserError:
        table = index_table(())
    else:
        present = table.column("shard").unique().to_pylist()
        if present == names and table.num_rows == info.clips:
            return table, True
    if not names:
        return index_table(()), False
    import pyarrow.compute as pc  # a slow import

    parts = []
    for name in names:
        rows = table.filter(pc.equal(table.column("shard"), scalar_of(name)))
        parts.append(rows if rows.num_rows else index_table(clip_rows(split_folder / name)))
    return pa.concat_tables(parts), False


def remove_leftovers(out: Path, info: DatasetInfo) -> None:
    """Remove half-written files and unlisted shards of a killed build.

    The clips of such a shard are still staged, so it is written again.
    """
    for folder in (out, *(out / split for split in SPLITS)):
        for file in list(folder.glob(".*.tmp")):
            if is_leftover(file.name):
                file.unlink()
    for split in SPLITS:
        listed = {shard.name for shard in info.splits[split].shards}
        for file in list((out / split).glob(f"{CLIPS}-*.tar")):
            if parse_shard_name(file.name) is not None and file.name not in listed:
                file.unlink()


def is_leftover(name: str) -> bool:
    """Return whether a name is that of a temporary file of a build (not of labels)."""
    parts = (f".{DATASET_FILE}.", f".{INDEX_FILE}.", f".{CLIPS}-")
    return name.startswith(parts) and name.endswith(".tmp")


def packed_starts(tables: Mapping[Split, pa.Table]) -> dict[tuple[str, int], set[int]]:
    """Return (video id, second at which its file starts) -> starts of the clips in shards."""
    starts: dict[tuple[str, int], set[int]] = {}
    for table in tables.values():
        columns = table.select(["video_id", "file_start_s", "start_s"]).to_pydict()
        for video_id, file_start_s, start_s in zip(*columns.values(), strict=True):
            starts.setdefault((video_id, file_start_s), set()).add(start_s)
    return starts


def describe_packed(found: FoundInputs, table_of: Callable[[Split], pa.Table]) -> list[str]:
    """Return a note if clips that are rejected now are in shards, which do not change.

    Args:
        found: Inputs from `yt360.review.applied.apply_decisions`.
        table_of: Returns the index of a split; called only if clips are rejected.
    """
    reviewed = [item for item in found.videos if any(item.review.rejected.values())]
    if not reviewed:
        return []
    packed = packed_starts({split: table_of(split) for split in SPLITS})
    count = sum(
        item.review.rejection(start_s) is not None
        for item in reviewed
        for start_s in packed.get((item.video_id, item.start_s), ())
    )
    if not count:
        return []
    clips = "clip that was rejected is" if count == 1 else "clips that were rejected are"
    return [
        f"{count} {clips} in complete shards, which do not change; build a new dataset without "
        "them: give another --out, and this dataset as --review"
    ]


def inputs_to_do(
    videos: Iterable[InputVideo],
    info: DatasetInfo,
    tables: Mapping[Split, pa.Table],
    retry: bool = False,
) -> list[InputVideo]:
    """Return the inputs that are not completely in the dataset or rejected in their current form.

    Args:
        videos: All inputs.
        info: Content of ``dataset.json``.
        tables: Index of each split.
        retry: Include all inputs with a rejected part, even if they have not changed.
    """
    packed = packed_starts(tables)
    recorded = {item.file_id: item.fingerprint for item in info.rejected}
    again = {item.file_id for item in info.rejected if retry and not item.is_rest}
    return [
        item
        for item in videos
        if item.file_id in again or not _is_done(item, info, packed, recorded.get(item.file_id))
    ]


def _is_done(
    item: InputVideo,
    info: DatasetInfo,
    packed: Mapping[tuple[str, int], set[int]],
    recorded: str | None,
) -> bool:
    """Return whether an input is done; `recorded` is the fingerprint in its rejections."""
    if item.key in info.unfinished:
        return False
    starts = packed.get((item.video_id, item.start_s))
    if starts is not None and (
        item.segments is None or starts.issuperset(int(each.start_s) for each in item.segments)
    ):
        return True
    return recorded is not None and recorded == fingerprint_of(item)


def _is_build_file(name: str) -> bool:
    """Return whether a build that was killed before it wrote dataset.json may leave this file."""
    return name.startswith(STAGING_FOLDER) or is_leftover(name)
