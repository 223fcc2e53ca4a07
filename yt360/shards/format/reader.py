"""Random access to the clips of a split by byte range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yt360.errors import UserError
from yt360.shards.format.arrow_values import numbers_of
from yt360.shards.format.columns import ClipRows, KeyColumn, TextColumn
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index_file import INDEX_SCHEMA, read_index
from yt360.shards.format.schema import CLIP_MEMBERS
from yt360.shards.format.shard_file import ClipLocation, ShardFile, ShardFiles
from yt360.splits import SPLITS


class ShardReader:
    """The clips of a split, in the order of its index.

    Opening a reader reads only the index; shards are opened on first use. All methods may be called
    from many threads, and a reader may be pickled.

    Args:
        dataset: The dataset folder.
        split: ``"train"`` or ``"test"``.
        method: ``"pread"`` copies members of at most `MAX_MEMBER_BYTES` and releases Python's lock
            while it waits for a disk. ``"mmap"`` returns views of the page cache, which is fastest
            if the shards fit there. A shard that is truncated while it is mapped ends the process
            (SIGBUS), so use ``"mmap"`` only if no other program writes to the folder.
        columns: Columns of the index to read: see `read_index`. Only members whose ``_offset`` and
            ``_bytes`` are among them can be read.

    Attributes:
        table: The index, a row per clip, with these columns; ``shard`` as dictionaries of texts.

    Raises:
        UserError: `dataset` is not a dataset, has no such split, or its index cannot be read.
    """

    shards_stay = True
    """Whether shards stay where they are, so that readers may keep them open."""

    def __init__(
        self,
        dataset: Path,
        split: str,
        *,
        method: Literal["mmap", "pread"] = "pread",
        columns: Sequence[str] = tuple(INDEX_SCHEMA.names),
    ) -> None:
        if split not in SPLITS:
            raise UserError(
                f"split {split!r} must be one of {', '.join(SPLITS)}",
                code="unknown-name",
                key="split",
            )
        if method not in ("mmap", "pread"):
            raise UserError(
                f"method {method!r} must be 'mmap' or 'pread'", code="unknown-name", key="method"
            )
        self.dataset, self.split, self.method, self.columns = dataset, split, method, columns
        self.info = DatasetInfo.load(dataset)
        self.table: pa.Table = read_index(
            dataset / split, self.info.splits[split], columns=columns, plain=False,
            advice=self._advice,
        )  # fmt: skip
        self._shard_names, self._shard_numbers = _numbered(self.table.column("shard"))
        self._ranges = {
            member: (self._numbers(f"{member}_offset"), self._numbers(f"{member}_bytes"))
            for member in CLIP_MEMBERS
            if {f"{member}_offset", f"{member}_bytes"} <= {*columns}
        }
        # Decoder processes may have another current folder.
        self._folder = dataset.absolute()
        self._files = ShardFiles(self._folder, method)

    @property
    def _advice(self) -> str:
        """Repair instruction for a damaged index."""
        return f"`yt360 index {self.dataset}` rebuilds it"

    def __repr__(self) -> str:
        """Return the dataset, the split and its number of clips."""
        return f"<{type(self).__name__} of {len(self)} clips: {self.dataset}, {self.split}>"

    def __len__(self) -> int:
        return len(self._shard_numbers)

    def __getstate__(self) -> dict[str, Any]:
        names = ("dataset", "split", "method", "columns")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @cached_property
    def keys(self) -> TextColumn:
        """Key of each clip."""
        if "key" in self.columns:
            return TextColumn(self.table.column("key"))
        return KeyColumn(self.table.column("video_id"), self.table.column("start_s"))

    @cached_property
    def video_ids(self) -> TextColumn:
        """Video of each clip."""
        return TextColumn(self.table.column("video_id"))

    @cached_property
    def durations_s(self) -> NDArray[np.float64]:
        """Length of each clip."""
        return self._numbers("duration_s")

    @property
    def shard_numbers(self) -> np.ndarray:
        """Shard of each clip, counted from 0 in the order of the index."""
        return self._shard_numbers

    def shard_name(self, clip: int) -> str:
        """Return the file name of a clip's shard."""
        return self._shard_names[self._shard_numbers[clip]]

    @cached_property
    def rows(self) -> ClipRows:
        """Row of each clip, read from `table` on demand."""
        return ClipRows(self.table)

    def clips_of_shards(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the file name of each shard in the index, and the numbers of its clips."""
        order = np.argsort(self._shard_numbers, kind="stable")
        ends = np.cumsum(np.bincount(self._shard_numbers, minlength=len(self._shard_names)))
        for name, first, end in zip(self._shard_names, [0, *ends], ends, strict=False):
            yield name, order[first:end].tolist()

    def blocks(self, member: str, block_bytes: int = 1 << 17) -> Iterator[list[bytes]]:
        """Yield a member of all clips in the order of the index, faster than `read`.

        Args:
            member: ``"mp4"``, ``"flac"`` or ``"json"``.
            block_bytes: All but the last content of a block are smaller than this together.

        Yields:
            The contents of successive clips of a shard.

        Raises:
            BadItem: See `read`.
        """
        offsets, sizes = self._ranges[member]
        fills_block = np.diff((np.cumsum(sizes) - sizes) // block_bytes, prepend=-1)
        is_first = fills_block.astype(bool) | (np.diff(self._shard_numbers, prepend=-1) != 0)
        for first, end in pairwise([*np.flatnonzero(is_first).tolist(), len(self)]):
            part = offsets[first:end].tolist(), sizes[first:end].tolist()
            yield self._shard(first).read_each(*part)

    def read(self, clip: int, member: str) -> memoryview:
        """Return a member of a clip, read-only.

        Args:
            clip: Number of the clip, in [0, len).
            member: ``"mp4"``, ``"flac"`` or ``"json"``.

        Raises:
            BadItem: The shard is missing or ends before the member, or the member is too large.
        """
        return self.read_part(clip, member, 0, self.size_of(clip, member))

    def read_part(self, clip: int, member: str, start: int, stop: int) -> memoryview:
        """Return the bytes [start, stop) of a member of a clip, read-only.

        Raises:
            BadItem: See `read`.
        """
        offset, size = self._range(clip, member)
        if not 0 <= start <= stop <= size:
            raise IndexError(f"bytes {start} to {stop} are not in a member of {size} bytes")
        return self._shard(clip).read(offset + start, stop - start)

    def size_of(self, clip: int, member: str) -> int:
        """Return the size of a member in bytes."""
        return self._range(clip, member)[1]

    def is_present(self, clip: int) -> bool:  # noqa: ARG002
        """Return whether the clip can be read without a transfer from elsewhere."""
        return True

    def locate(self, clips: Sequence[int]) -> list[ClipLocation]:
        """Return where some clips are stored, so that other processes can read them."""
        chosen = np.asarray(clips, dtype=np.int64)
        shards = [self._shard_paths[shard] for shard in self._shard_numbers[chosen].tolist()]
        columns = [*self._ranges["mp4"], *self._ranges["flac"]]
        numbers = (column[chosen].tolist() for column in columns)
        return [ClipLocation(*each) for each in zip(shards, *numbers, strict=True)]

    def close(self) -> None:
        """Close the shards; views that `read` returned stay valid."""
        self._files.close()

    def _numbers(self, column: str) -> np.ndarray:
        return numbers_of(self.table.column(column))

    def _range(self, clip: int, member: str) -> tuple[int, int]:
        if not 0 <= clip < len(self):
            raise IndexError(f"clip {clip} is not in [0, {len(self)})")
        offsets, sizes = self._ranges[member]
        return int(offsets[clip]), int(sizes[clip])

    def _shard(self, clip: int) -> ShardFile:
        return self._files.open(self._shard_paths[int(self._shard_numbers[clip])])

    @cached_property
    def _shard_paths(self) -> list[str]:
        return [str(self._folder / self.split / name) for name in self._shard_names]


def _numbered(encoded: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32]]:
    """Return the different texts of dictionaries in the order of their first use, and numbers."""
    column = encoded.combine_chunks()
    used = pc.unique(column.indices)
    numbers = np.zeros(len(column.dictionary), np.int32)
    numbers[numbers_of(used)] = np.arange(len(used))
    return column.dictionary.take(used).to_pylist(), numbers[numbers_of(column.indices)]
