"""Read NumPy arrays from ``.npz`` files and from pickles, the format of detectron2's weights."""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast
from zipfile import BadZipFile, ZipFile

import numpy as np

from yt360.untrusted.files import read_limited
from yt360.untrusted.pickles import (
    Name,
    Reading,
    empty_bytes,
    empty_dict,
    read_pickle,
    require_bounded,
)

MAX_FILE_BYTES = 4 << 30
"""Maximum size of a weight file; the largest published segmentation weights have 1 GiB."""
EXPANSION = 4
"""Maximum ratio of the arrays' size to the file's: numbers of one byte become float32."""
SLACK_BYTES = 1 << 20
MAX_DIMENSIONS = 16
_DTYPE = re.compile(r"[fiu](1|2|4|8|12|16)|b1")
_BYTE_ORDERS = ("<", ">", "|", "=")
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][fiu](?:1|2|4|8))', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,9},? ?){0,8})\), \} *\n",
    re.DOTALL,
)
_DAMAGED = (
    BadZipFile, OSError, EOFError, RuntimeError, LookupError, TypeError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
_NDARRAY = Name("numpy", "ndarray")


def read_arrays(path: Path) -> Any:
    """Return the content of a pickle of arrays.

    Raises:
        ValueError: The file is not a pickle, is truncated, contains anything except arrays of
            numbers, plain values, and dicts, lists and tuples of them, or needs too much memory
            (`MAX_FILE_BYTES`, `EXPANSION`, `yt360.untrusted.pickles`).
        OSError: It cannot be read.
    """
    content = read_limited(path, MAX_FILE_BYTES)
    limit = EXPANSION * len(content) + SLACK_BYTES
    value, _ = read_pickle(content, _Arrays(limit).reading)
    require_bounded(value, np.ndarray, limit)
    return value


def read_npz(path: Path, names: Sequence[str], max_bytes: int) -> dict[str, np.ndarray]:
    """Return numeric arrays of an ``.npz``; ignore its other arrays.

    Args:
        path: The file.
        names: Names of the arrays.
        max_bytes: Maximum size of the file, and of each decompressed array.

    Raises:
        ValueError: It is not an ``.npz``, is damaged or too large, or lacks a numeric array.
        OSError: It cannot be read.
    """
    content = io.BytesIO(read_limited(path, max_bytes))
    try:
        with ZipFile(content) as archive:
            return {name: _npy(archive, f"{name}.npy", max_bytes) for name in names}
    except _DAMAGED as error:
        raise ValueError(f"it is damaged or lacks an array ({error})") from None


def _npy(archive: ZipFile, name: str, max_bytes: int) -> np.ndarray:
    with archive.open(name) as entry:
        content = entry.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{name} has more than {max_bytes} bytes")
    header = _NPY.match(content)
    if not header:
        raise ValueError(f"{name} is not an array of numbers")
    dtype, by_column, lengths = (group.decode() for group in header.groups())
    shape = tuple(int(length) for length in lengths.split(",") if length.strip())
    elements = content[header.end() :]
    if math.prod(shape) * np.dtype(dtype).itemsize != len(elements):
        raise ValueError(f"{name} has {len(elements)} bytes for an array {shape} of {dtype}")
    order: Literal["F", "C"] = "F" if by_column == "True" else "C"
    return np.frombuffer(elements, dtype).reshape(shape, order=order)


class _Arrays:
    """Builds the arrays of one pickle, up to a total size."""

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes
        builders = {
            Name("collections", "OrderedDict"): empty_dict,
            Name("__builtin__", "bytes"): empty_bytes,
            Name("_codecs", "encode"): self._latin1,
            _NDARRAY: None,
            Name("numpy", "dtype"): _dtype,
            Name("numpy.core.multiarray", "_reconstruct"): _empty,
            Name("numpy._core.multiarray", "_reconstruct"): _empty,
        }
        self.reading = Reading(builders, self._update)

    def _latin1(self, text: str, encoding: str) -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise ValueError("it contains text outside latin1")
        self._spend(len(text))
        return text.encode("latin1")

    def _update(self, value: Any, state: Any) -> None:
        if isinstance(value, np.ndarray):
            self._fill(value, *state)
        elif isinstance(value, np.dtype):
            _, order, *_ = state
            if order not in _BYTE_ORDERS:
                raise ValueError("it contains numbers in an unknown byte order")
            cast(Any, value).__setstate__((3, order, None, None, None, -1, -1, 0))

    def _fill(
        self, array: np.ndarray, _: int, shape: Any, dtype: Any, by_column: Any, content: Any
    ) -> None:
        """Set the shape and content of an array."""
        if not isinstance(dtype, np.dtype) or not isinstance(content, bytes | str):
            raise ValueError("it contains an array that is not plain")
        if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or any(map(_is_odd, shape)):
            raise ValueError("it contains an array with an invalid shape")
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"it contains an array {shape} of {dtype} in {len(content)} bytes")
        self._spend(len(content))
        # Python 2 stores the content as text.
        content = content.encode("latin1") if isinstance(content, str) else content
        cast(Any, array).__setstate__((1, shape, dtype, bool(by_column), content))

    def _spend(self, length: int) -> None:
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise ValueError("its arrays take much more memory than the file")


def _empty(kind: Any, shape: Any, _: Any) -> np.ndarray:
    if kind != _NDARRAY or shape != (0,):
        raise ValueError("it contains an array that is not plain")
    return np.empty(0, np.uint8)


def _dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype[Any]:  # noqa: ARG001
    if not isinstance(code, str) or not _DTYPE.fullmatch(code):
        shown = repr(code[:20]) if isinstance(code, str) else type(code).__name__
        raise ValueError(f"it contains an array of dtype {shown}; weights must be numbers")
    # Without the copy, setting its byte order would change all arrays in this process.
    return np.dtype(code, False, True)


def _is_odd(length: Any) -> bool:
    return type(length) is not int or not 0 <= length < 1 << 40
