"""Packing finished clips into the shards of one split, in order, as soon as they are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from yt360.shards.builder.staging import StagedClip, Staging
from yt360.shards.format.index import clip_rows, index_table
from yt360.shards.format.index_file import INDEX_SCHEMA
from yt360.shards.format.schema import ShardInfo, SplitInfo, shard_name
from yt360.shards.format.writer import ShardWriter


@dataclass(frozen=True)
class PackedShard:
    """A shard that was just written, and the keys in it."""

    info: ShardInfo
    keys: tuple[str, ...]


class SplitPacker:
    """The shards of one split: those that are sealed, and the clips that are to follow.

    Where a shard ends depends only on the order and the sizes of the clips, never on when they
    became ready.

    Args:
        folder: The split's folder.
        info: What the split holds already.
        table: The index of that.
        staging: Where clips wait.
        shard_bytes: Largest size of a shard, unless a single clip is larger.
    """

    def __init__(
        self, folder: Path, info: SplitInfo, table: pa.Table, staging: Staging, shard_bytes: int
    ) -> None:
        self.folder, self.staging, self.shard_bytes = folder, staging, shard_bytes
        self.shards = list(info.shards)
        self._tables = [table]
        self._video_ids = set(table.column("video_id").to_pylist())
        self._duration_s = info.duration_s
        self._queue: Sequence[str] = ()
        self._sizes: dict[str, int | None] = {}
        self._next = 0
        self._group: list[str] = []
        self._group_bytes = 0

    @property
    def info(self) -> SplitInfo:
        """What the split holds now."""
        return SplitInfo(
            clips=sum(shard.clips for shard in self.shards),
            videos=len(self._video_ids),
            duration_s=self._duration_s,
            shards=tuple(self.shards),
        )

    @property
    def table(self) -> pa.Table:
        """The index of what the split holds now."""
        return pa.concat_tables(self._tables).combine_chunks().cast(INDEX_SCHEMA)

    def expect(self, keys: Sequence[str]) -> None:
        """Say which clips follow, in this order, before any of them is settled."""
        self._queue = keys

    def settle(self, key: str, clip: StagedClip | None) -> None:
        """Say that a clip is staged, or (None) that there will be none."""
        self._sizes[key] = clip.shard_bytes if clip else None

    def pack(self) -> Iterator[PackedShard]:
        """Write and yield every shard that is known to be full."""
        while self._next < len(self._queue) and self._queue[self._next] in self._sizes:
            key = self._queue[self._next]
            size = self._sizes.pop(key)
            self._next += 1
            if size is None:
                continue
            if self._group and self._group_bytes + size > self.shard_bytes:
                yield self._write()
            self._group.append(key)
            self._group_bytes += size

    def finish(self) -> Iterator[PackedShard]:
        """Write and yield what is left when all clips are settled."""
        yield from self.pack()
        if self._next < len(self._queue):
            raise RuntimeError(f"clip {self._queue[self._next]} was never settled")
        if self._group:
            yield self._write()

    def _write(self) -> PackedShard:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / shard_name(len(self.shards))
        with ShardWriter(path) as writer:
            for key in self._group:
                writer.add(key, self.staging.members(key))
        table = index_table(clip_rows(path))
        self._tables.append(table)
        self._video_ids.update(table.column("video_id").to_pylist())
        self._duration_s += sum(table.column("duration_s").to_pylist())
        self.shards.append(writer.info)
        packed = PackedShard(writer.info, tuple(self._group))
        self._group, self._group_bytes = [], 0
        return packed
