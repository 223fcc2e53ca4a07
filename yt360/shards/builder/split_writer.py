"""Write the shards of one split in order, as soon as their clips are staged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from yt360.shards.builder.staging import StagingFolder
from yt360.shards.format.dataset_info import SplitInfo
from yt360.shards.format.index import clip_rows, index_table
from yt360.shards.format.schema import shard_name
from yt360.shards.format.writer import ShardWriter


class SplitWriter:
    """Write the staged clips of one split into shards.

    Shard boundaries depend on the order and the sizes of the clips, not on when clips become ready.

    Args:
        folder: The split's folder.
        info: Existing content of the split.
        table: Index of the existing content.
        staging: The folder of the staged clips.
        shard_bytes: Largest size of a shard, unless a single clip is larger.

    Attributes:
        order: Keys of the clips to write, in order; set it before the first `add`.
    """

    def __init__(
        self,
        folder: Path,
        info: SplitInfo,
        table: pa.Table,
        staging: StagingFolder,
        shard_bytes: int,
    ) -> None:
        self.folder, self.staging, self.shard_bytes = folder, staging, shard_bytes
        self.shards = list(info.shards)
        self.order: Sequence[str] = ()
        self._tables = [table]
        self._video_ids = dict.fromkeys(table.column("video_id").to_pylist())
        self._duration_s = info.duration_s
        self._sizes: dict[str, int | None] = {}
        self._next = 0
        self._open: list[str] = []  # clips of the shard that is not full yet
        self._open_bytes = 0

    @property
    def info(self) -> SplitInfo:
        """Current content of the split."""
        return SplitInfo(
            clips=sum(shard.clips for shard in self.shards),
            videos=len(self._video_ids),
            duration_s=self._duration_s,
            shards=tuple(self.shards),
        )

    @property
    def table(self) -> pa.Table:
        """Index of the current content."""
        return pa.concat_tables(self._tables).combine_chunks()

    @property
    def video_ids(self) -> Collection[str]:
        """Videos of the current content, in order."""
        return self._video_ids

    def add(self, key: str, size_bytes: int | None) -> None:
        """Add a staged clip and the bytes that it takes in a shard; None leaves the clip out."""
        self._sizes[key] = size_bytes

    def write_full_shards(self) -> Iterator[list[str]]:
        """Write every shard that is known to be full; yield the keys in it."""
        while self._next < len(self.order) and self.order[self._next] in self._sizes:
            key = self.order[self._next]
            size_bytes = self._sizes.pop(key)
            self._next += 1
            if size_bytes is None:
                continue
            if self._open and self._open_bytes + size_bytes > self.shard_bytes:
                yield self._write()
            self._open.append(key)
            self._open_bytes += size_bytes

    def write_all_shards(self) -> Iterator[list[str]]:
        """Write all shards, the last one even if it is not full, after the last `add`."""
        yield from self.write_full_shards()
        if self._next < len(self.order):
            raise RuntimeError(f"clip {self.order[self._next]} was not added")
        if self._open:
            yield self._write()

    def _write(self) -> list[str]:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / shard_name(len(self.shards))
        with ShardWriter(path) as writer:
            for key in self._open:
                writer.add(key, self.staging.members(key))
        table = index_table(clip_rows(path))
        self._tables.append(table)
        self._video_ids |= dict.fromkeys(table.column("video_id").to_pylist())
        self._duration_s += sum(table.column("duration_s").to_pylist())
        self.shards.append(writer.info)
        keys, self._open, self._open_bytes = self._open, [], 0
        return keys
