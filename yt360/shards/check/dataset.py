"""Verify a dataset: checksums, names, order, index, and that every clip decodes."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from yt360.clips import key_order
from yt360.errors import BadItem, UserError
from yt360.execution.limits import allow_time
from yt360.execution.local import Crashed, Pool, limited_pool
from yt360.execution.ordered import in_task_order
from yt360.shards.builder.existing_dataset import is_leftover
from yt360.shards.builder.staging import StagingFolder
from yt360.shards.check.clip import check_clip
from yt360.shards.format.clip_facts import facts_at
from yt360.shards.format.dataset_info import DatasetInfo, ShardInfo
from yt360.shards.format.index import clip_rows, index_table
from yt360.shards.format.index_file import read_index
from yt360.shards.format.scan import scan_shard
from yt360.shards.format.schema import CLIPS, ClipRow, parse_shard_name, shard_name
from yt360.splits import SPLITS, Split
from yt360.terminal.progress import Progress
from yt360.untrusted.files import open_regular

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ShardJob:
    """A shard to check."""

    path: Path
    listed: ShardInfo

    @property
    def dataset(self) -> Path:
        """The dataset folder."""
        return self.path.parent.parent


@dataclass(frozen=True)
class ClipJob:
    """A clip to decode, in the shard that holds it."""

    path: Path
    row: ClipRow


@dataclass(frozen=True)
class ShardResult:
    """The clips in a shard, and its faults."""

    rows: tuple[ClipRow, ...]
    faults: tuple[str, ...]


def check_dataset(
    dataset: Path,
    quick: bool = False,
    workers: int = 1,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
) -> Iterator[str]:
    """Yield one line for each fault of a dataset, in the order of shards and clips.

    Args:
        dataset: The dataset folder.
        quick: Check checksums, names, order and index, without decoding.
        workers: Number of processes.
        make_pool: Creates the worker pool.

    Raises:
        UserError: `dataset` is not a dataset.
    """
    info = DatasetInfo.load(dataset)
    if not info.complete or StagingFolder(dataset).exists():
        yield f"{dataset}: its build is unfinished; run the same `yt360 build-shards` again"
    jobs = {
        split: [ShardJob(dataset / split / each.name, each) for each in content.shards]
        for split, content in info.splits.items()
    }
    shards = [job for split in SPLITS for job in jobs[split]]
    facts: dict[Path, ShardResult] = {}
    with make_pool(workers) as pool:
        with Progress("checking", len(shards), "shards") as progress:
            for job, result in _in_order(pool, check_shard, shards, progress):
                if isinstance(result, Crashed):
                    result = ShardResult((), (f"{job.path}: {result.describe()}",))
                facts[job.path] = result
                yield from result.faults
        if not quick:
            clips = [ClipJob(job.path, row) for job in shards for row in facts[job.path].rows]
            yield from _decode_faults(pool, clips)
    rows = {split: [row for job in jobs[split] for row in facts[job.path].rows] for split in SPLITS}
    for split in SPLITS:
        yield from _check_folder(dataset / split, info, split, rows[split])
    yield from _check_split_by_video(dataset, rows["train"], rows["test"])


def check_shard(job: ShardJob) -> ShardResult:
    """Check one shard of clips; every fault is a line that starts with its path."""
    faults: list[str] = []
    try:
        with open_regular(job.path, job.dataset) as file:
            size = os.fstat(file.fileno()).st_size
            allow_time(str(job.path), size)
            if size != job.listed.bytes:
                faults.append(f"{job.path}: has {size} bytes, not {job.listed.bytes}")
            elif hashlib.file_digest(file, "sha256").hexdigest() != job.listed.sha256:
                faults.append(f"{job.path}: its SHA-256 is not the one in dataset.json")
    except FileNotFoundError:
        return ShardResult((), (f"{job.path}: is missing; it is listed in dataset.json",))
    except ValueError as error:
        return ShardResult((), (str(error),))
    try:
        rows = clip_rows(job.path)
    except UserError as error:
        return ShardResult((), (*faults, str(error)))
    if len(rows) != job.listed.clips:
        faults.append(f"{job.path}: holds {len(rows)} clips, not {job.listed.clips}")
    for before, after in pairwise(rows):
        if key_order(before.key) >= key_order(after.key):
            faults.append(f"{job.path}: {after.key} follows {before.key}, out of order")
    return ShardResult(tuple(rows), tuple(faults))


def decode_clip(job: ClipJob) -> str | None:
    """Decode a clip; return its fault, or None."""
    try:
        with open_regular(job.path, job.path.parent.parent) as file:

            def read(member: str) -> bytes:
                offset, size = job.row.byte_range(member)
                file.seek(offset)
                return file.read(size)

            facts = facts_at(file, *job.row.byte_range("json"))
            check_clip(facts, read("mp4"), read("flac"))
    except BadItem as error:
        return error.detail
    except ValueError as error:
        return f"its .json is invalid: {error}"
    return None


def _decode_faults(pool: Pool, clips: Sequence[ClipJob]) -> Iterator[str]:
    """Yield one line for each clip that does not decode, or that crashes its decoder."""
    with Progress("decoding", len(clips), "clips") as progress:
        for job, result in _in_order(pool, decode_clip, clips, progress):
            fault = result
            if isinstance(result, Crashed):
                fault = f"{result.reason}: {result.describe()}"
            if fault is not None:
                yield f"{job.path}: clip {job.row.key}: {fault}"


def _in_order(
    pool: Pool, function: Callable[[Job], Result], jobs: Sequence[Job], progress: Progress
) -> Iterator[tuple[Job, Result | Crashed]]:
    """Yield the results of jobs in their order; advance the progress as they come."""

    def counted() -> Iterator[tuple[Job, Result | Crashed]]:
        for each in pool.run(function, deque(jobs)):
            progress.advance()
            yield each

    return in_task_order(jobs, counted())


def _check_folder(
    folder: Path, info: DatasetInfo, split: Split, rows: Sequence[ClipRow]
) -> Iterator[str]:
    """Compare a split's folder, index and counts with its shards."""
    listed = info.splits[split]
    names = [shard.name for shard in listed.shards]
    if names != [shard_name(number) for number in range(len(names))]:
        yield f"{folder}: the shards in dataset.json are not numbered from 0 without gaps"
    for file in sorted(folder.glob("*")):
        shard = parse_shard_name(file.name)
        if shard is not None and shard[0] == CLIPS and file.name not in names:
            yield f"{file}: is not listed in dataset.json"
        elif shard is not None and shard[0] != CLIPS:
            yield from _check_labels(file, folder / shard_name(shard[1]), rows)
        elif is_leftover(file.name):
            yield f"{file}: is a leftover of an interrupted write; remove it"
    try:
        if not read_index(folder, listed, verify_keys=True).equals(index_table(rows)):
            yield f"{folder}: its index differs from its shards; `yt360 index` rebuilds it"
    except UserError as error:
        yield str(error)
    counts = len(rows), len({row.video_id for row in rows}), sum(row.duration_s for row in rows)
    if counts != (listed.clips, listed.videos, listed.duration_s):
        yield (
            f"{folder}: holds {counts[0]} clips of {counts[1]} videos, {counts[2]:g} s; "
            f"dataset.json says {listed.clips} of {listed.videos}, {listed.duration_s:g} s"
        )
    keys = {row.key for row in rows}
    if len(keys) != len(rows):
        yield f"{folder}: {len(rows) - len(keys)} clips occur twice"


def _check_labels(labels: Path, clips: Path, rows: Sequence[ClipRow]) -> Iterator[str]:
    """Check that a label shard has the keys of its shard of clips, in the same order."""
    order = iter([row.key for row in rows if row.shard == clips.name])
    try:
        for sample in scan_shard(labels, labels.parent.parent):
            if sample.key not in order:  # consumes `order` up to the key
                yield f"{labels}: {sample.key} is not in {clips.name}, or out of order"
                return
    except UserError as error:
        yield str(error)


def _check_split_by_video(
    dataset: Path, train: Sequence[ClipRow], test: Sequence[ClipRow]
) -> Iterator[str]:
    for video_id in sorted({row.video_id for row in train} & {row.video_id for row in test}):
        yield f"{dataset}: video {video_id} is in both train and test"
