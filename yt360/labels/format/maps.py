"""Encode and decode the label maps of a clip: an ``.npz`` with ``things`` and ``stuff``."""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from yt360.errors import BadItem
from yt360.labels.classes import NO_STUFF, NO_THING, join, split

MAX_MAP_BYTES = 1 << 28
"""Largest size of the things or the stuff of a clip: 500 maps of 512x1024."""
# What `zipfile` and its decompressors raise; a password or an unknown method is a RuntimeError.
_DAMAGE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError,
    struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '\|u1', 'fortran_order': (True|False), 'shape': \((\d+), (\d+), (\d+)\), \} *\n"
)


@dataclass(frozen=True)
class LabelMaps:
    """Labels of one clip.

    Attributes:
        things: (T, H, W) uint8, 0 to 79, 80 for none.
        stuff: (T, H, W) uint8, 0 to 53, 54 for none.
    """

    things: np.ndarray
    stuff: np.ndarray

    @cached_property
    def joint(self) -> np.ndarray:
        """Joint class numbers (T, H, W), 134 for none; see `yt360.labels.classes.join`."""
        return join(self.things, self.stuff)


def encode_labels(joint: np.ndarray) -> bytes:
    """Return maps of joint class numbers (T, H, W) as an ``.npz``; equal maps give equal bytes."""
    things, stuff = split(joint)
    return encode_maps(LabelMaps(things, stuff))


def encode_maps(maps: LabelMaps) -> bytes:
    """Return things and stuff as an ``.npz``; equal maps give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, things=maps.things, stuff=maps.stuff)
    return buffer.getvalue()


def decode_labels(content: bytes | memoryview) -> LabelMaps:
    """Decode an ``.npz`` of labels; safe to call from many threads.

    Raises:
        BadItem: It is damaged, or holds something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            things, stuff = (
                _array(_member(archive, f"{name}.npy")) for name in ("things", "stuff")
            )
    except _DAMAGE as error:
        raise BadItem("labels-damaged", f"the maps cannot be read: {error}") from None
    if things.shape != stuff.shape:
        raise BadItem("labels-damaged", f"maps of {things.shape} and {stuff.shape} do not match")
    if things.size and (things.max() > NO_THING or stuff.max() > NO_STUFF):
        raise BadItem("labels-damaged", "the maps contain unknown class numbers")
    return LabelMaps(things, stuff)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size  # zipfile never reads more
    if size > MAX_MAP_BYTES:
        raise ValueError(f"{name} has {size} bytes; at most {MAX_MAP_BYTES} are allowed")
    return archive.read(name)


def _array(npy: bytes) -> np.ndarray:
    """Return the (T, H, W) uint8 array of an ``.npy`` file (NumPy's NEP 1).

    NumPy reads the header with ``ast.literal_eval``, which fails at random in Python 3.11 if
    several threads use it (https://github.com/python/cpython/issues/106905). Labels are read in
    threads, and only one kind of array is allowed, so the header is matched by an expression.

    Raises:
        ValueError: It is not such an array.
    """
    if not npy.startswith(_MAGIC) or len(npy) < 12:
        raise ValueError("not a NumPy array")
    length_size = 2 if npy[6] == 1 else 4
    start = 8 + length_size
    end = start + int.from_bytes(npy[8:start], "little")
    header = _HEADER.fullmatch(npy[start:end])
    if header is None:
        raise ValueError(
            f"not a uint8 array with three axes: {npy[start : min(end, start + 80)]!r}"
        )
    shape = tuple(int(axis) for axis in header.groups()[1:])
    if prod(shape) != len(npy) - end:
        raise ValueError(f"{len(npy) - end} values cannot have the shape {shape}")
    values = np.frombuffer(npy, np.uint8, offset=end)
    return values.reshape(shape, order="F" if header[1] == b"True" else "C")
