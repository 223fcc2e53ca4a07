"""Views of an index table as Python sequences that keep no Python object per clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yt360.clips import clip_key
from yt360.shards.format.arrow_values import array_of, scalar_of
from yt360.shards.format.index_file import keys_of
from yt360.shards.format.schema import ClipRow

_BLOCK = 4096  # rows converted at a time while iterating
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
T = TypeVar("T")


class _View(Sequence[T]):
    """A sequence that is computed from a table; subclasses convert a range of rows."""

    def _values(self, start: int, stop: int) -> list[T]:
        raise NotImplementedError

    @overload
    def __getitem__(self, clip: int) -> T: ...
    @overload
    def __getitem__(self, clip: slice) -> list[T]: ...
    def __getitem__(self, clip: int | slice) -> T | list[T]:
        if not isinstance(clip, slice):
            return self._value(range(len(self))[clip])
        clips = range(len(self))[clip]
        if clips.step == 1:
            return self._values(clips.start, max(clips.start, clips.stop))
        return [self._value(number) for number in clips]

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), _BLOCK):
            yield from self._values(start, min(start + _BLOCK, len(self)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence)
            and len(self) == len(other)
            and all(one == another for one, another in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the first values and the number of all."""
        first = ", ".join(map(repr, self[:3]))
        more = ", ..." if len(self) > 3 else ""
        return f"<{type(self).__name__} of {len(self)}: [{first}{more}]>"

    def _value(self, clip: int) -> T:
        return self._values(clip, clip + 1)[0]


class TextColumn(_View[str]):
    """A column of texts.

    ``in``, ``index`` and NumPy or Arrow conversion work on the whole column at once.

    Args:
        column: The column, without empty values.
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._array = _combined(column)

    def __len__(self) -> int:
        return len(self._array)

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self._place(text, 0, len(self)) >= 0

    def index(self, text: str, start: int = 0, stop: int | None = None) -> int:
        """Return the number of the first clip in [start, stop) with a text.

        Raises:
            ValueError: No clip has it.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        place = self._place(text, start, stop)
        if place < 0:
            raise ValueError(f"{text!r} is not in the column")
        return place

    def take(self, clips: Sequence[int]) -> list[str]:
        """Return the texts of some clips."""
        # One by one: `take` of Arrow is slower for up to a hundred texts.
        return [self._value(clip) for clip in clips]

    def select(self, clips: NDArray[np.int32]) -> pa.Array:
        """Return the texts of many clips as an Arrow array."""
        return self._array.take(array_of(clips, pa.int32()))

    def count_distinct(self) -> int:
        """Return the number of different texts."""
        import pyarrow.compute as pc  # a slow import

        return int(pc.count_distinct(self._array).as_py())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.array(self._array.to_pylist(), dtype or str)

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        return self._array if type is None else self._array.cast(type)

    def _place(self, text: str, start: int, stop: int) -> int:
        import pyarrow.compute as pc  # a slow import

        return int(pc.index(self._array, scalar_of(text), start=start, end=stop).as_py())

    def _values(self, start: int, stop: int) -> list[str]:
        return self._array.slice(start, stop - start).to_pylist()

    def _value(self, clip: int) -> str:
        return self._array[clip].as_py()


class KeyColumn(TextColumn):
    """Keys of clips, computed where they are read, and kept only if all are needed at once.

    Args:
        video_ids: Video of each clip.
        starts_s: int64, second of the video at which each clip starts.
    """

    def __init__(self, video_ids: pa.ChunkedArray, starts_s: pa.ChunkedArray) -> None:
        self._video_ids, self._starts_s = _combined(video_ids), _combined(starts_s)

    def __len__(self) -> int:
        return len(self._video_ids)

    def select(self, clips: NDArray[np.int32]) -> pa.Array:
        """Return the keys of many clips as an Arrow array."""
        rows = array_of(clips, pa.int32())
        return keys_of(self._video_ids.take(rows), self._starts_s.take(rows))

    @cached_property
    def _array(self) -> pa.Array:
        return keys_of(self._video_ids, self._starts_s)

    def _values(self, start: int, stop: int) -> list[str]:
        part = slice(start, stop)
        return keys_of(self._video_ids[part], self._starts_s[part]).to_pylist()

    def _value(self, clip: int) -> str:
        return clip_key(self._video_ids[clip].as_py(), self._starts_s[clip].as_py())


class TextLookup:
    """Finds the clip with a text in microseconds, by 12 bytes per clip.

    Args:
        column: Different texts.
    """

    def __init__(self, column: TextColumn) -> None:
        self._column = column
        hashes = np.fromiter(map(hash, column), np.int64, len(column))
        self._order = np.argsort(hashes).astype(np.int32)
        self._hashes = hashes[self._order]

    def find(self, text: str) -> int | None:
        """Return the number of the clip with a text; None if no clip has it."""
        first, end = (np.searchsorted(self._hashes, hash(text), side) for side in _SIDES)
        clips = self._order[first:end].tolist()
        return next((clip for clip in clips if self._column[clip] == text), None)


class ClipRows(_View[ClipRow]):
    """The rows of an index.

    Args:
        table: The index.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def _values(self, start: int, stop: int) -> list[ClipRow]:
        return table_rows(self._table.slice(start, stop - start))


def table_rows(table: pa.Table) -> list[ClipRow]:
    """Return the rows of an index table."""
    return [ClipRow(**row) for row in table.to_pylist()]


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
