"""Conversions between Arrow arrays and other values, by their buffers.

Arrow's own conversions (`pyarrow.array`, `pyarrow.scalar`, ``to_numpy``) import pandas where it is
installed, which takes longer than to read a small dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_MAX_TEXT_BYTES = (1 << 31) - 1
_NUMBERS = {
    pa.int32(): np.int32, pa.int64(): np.int64, pa.float32(): np.float32, pa.float64(): np.float64
}  # fmt: skip


def numbers_of(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return numbers as an array, which is read-only.

    Args:
        column: int32, int64, float32 or float64, without empty values.

    Raises:
        ValueError: A value is empty.
    """
    if column.null_count:
        raise ValueError(f"{column.null_count} of {len(column)} values are empty")
    dtype = np.dtype(_NUMBERS[column.type])
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in chunks
        if len(chunk)
    ]
    numbers = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype), *parts])
    numbers.flags.writeable = False
    return numbers


def array_of(values: Sequence[Any] | NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Return texts or numbers as an Arrow array.

    Args:
        values: Without None.
        kind: string, int32, int64, float32 or float64.

    Raises:
        ValueError: The texts have 2 GiB or more together.
    """
    if kind != pa.string():
        numbers = np.array(values, _NUMBERS[kind])
        return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
    texts = [text.encode() for text in values]
    ends = np.fromiter(accumulate(map(len, texts), initial=0), np.int64, len(texts) + 1)
    if ends[-1] > _MAX_TEXT_BYTES:
        raise ValueError(f"the texts have {ends[-1]} bytes; at most {_MAX_TEXT_BYTES} are possible")
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(kind, len(texts), buffers)


def scalar_of(text: str) -> pa.Scalar:
    """Return a text as an Arrow scalar."""
    return array_of([text], pa.string())[0]
