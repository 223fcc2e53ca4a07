"""Read files of `torch.save` as tensors and plain values, without `torch.load`.

`torch.load` with ``weights_only`` executes no code, but it allocates the sizes that a file
declares, crashes on deeply nested keys, and suggests loading refused files without
``weights_only``. Two formats are supported: the zip archive, and the format before torch 1.6, which
the paper's weights may have.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import torch
from torch import Tensor

from yt360.untrusted.arrays import EXPANSION, MAX_DIMENSIONS, MAX_FILE_BYTES, SLACK_BYTES
from yt360.untrusted.files import open_regular
from yt360.untrusted.pickles import (
    Name,
    Reading,
    empty_bytes,
    empty_dict,
    read_pickle,
    require_bounded,
)

MAX_PICKLE_BYTES = 64 << 20
"""Size of the content of an archive besides the elements of tensors."""
MAX_DIRECTORY_BYTES = 4 << 20
"""Size of the directory of an archive, enough for 50,000 tensors."""
_DAMAGED = (
    BadZipFile, OSError, EOFError, RuntimeError, LookupError, OverflowError, struct.error,
)  # fmt: skip
_ZIP = b"PK\x03\x04"
_ZIP_END = struct.Struct("<4s8xII2x")
_ZIP64_END = struct.Struct("<4s36xQ8x")
_ZIP64_LOCATOR = struct.Struct("<4s16x")
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_DTYPES = {
    Name("torch", f"{name}Storage"): dtype
    for name, dtype in {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
    }.items()
}


Weights = dict[str, Tensor]
"""A state dict: tensors by name."""


def is_weights(value: Any) -> TypeGuard[Weights]:
    """Return whether a value is a state dict."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()
    )


def read_torch(path: Path) -> Any:
    """Return the content of a file of ``torch.save``, with tensors on the CPU.

    Returns:
        Dicts, lists and tuples of plain values and of dense tensors of numbers.

    Raises:
        ValueError: It is not such a file, is damaged, contains other values, or needs much more
            memory than its size.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        if length > MAX_FILE_BYTES:
            raise ValueError(f"it is longer than {MAX_FILE_BYTES} bytes")
        try:
            value = _read_archive(file, length) if file.read(4) == _ZIP else _read_legacy(file)
        except _DAMAGED as error:
            raise ValueError(f"it is a damaged archive ({error})") from None
    require_bounded(value, Tensor, EXPANSION * length + SLACK_BYTES)
    return value


class _Storages:
    """The storages of the tensors of a file by key, each of one dtype."""

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes
        self.by_key: dict[str, Tensor] = {}

    def reading(self) -> Reading:
        """Return how a pickle with these tensors is read."""
        builders = {
            Name("collections", "OrderedDict"): empty_dict,
            Name("__builtin__", "bytes"): empty_bytes,
            Name("torch._utils", "_rebuild_tensor"): _tensor,
            Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
            Name("torch._utils", "_rebuild_parameter"): _parameter,
            **dict.fromkeys(_DTYPES),
        }
        return Reading(builders, _without_attributes, self._storage)

    def _storage(self, reference: Any) -> Tensor:
        """Return the uninitialized storage (N,) of a reference in a pickle."""
        kind, dtype_name, key, _, length, *view = reference
        if kind != "storage" or view not in ([], [None]) or not isinstance(dtype_name, Name):
            raise ValueError("it refers to data that are not the elements of a tensor")
        if type(key) is not str or type(length) is not int or length < 0:
            raise TypeError
        dtype = _DTYPES[dtype_name]
        if key not in self.by_key:
            self._bytes_left -= length * dtype.itemsize
            if self._bytes_left < 0:
                raise ValueError("its tensors have more elements than the file")
            self.by_key[key] = torch.empty(length, dtype=dtype)
        storage = self.by_key[key]
        if storage.dtype != dtype or len(storage) != length:
            raise ValueError("it refers to the same elements with several dtypes")
        return storage


def _tensor(storage: Tensor, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """Return a view of a storage that contains each element at most once."""
    if not isinstance(storage, Tensor) or not len(size) == len(stride) <= MAX_DIMENSIONS:
        raise TypeError
    numbers = (offset, *size, *stride)
    if any(type(number) is not int or not 0 <= number < 1 << 40 for number in numbers):
        raise ValueError("it contains a tensor with an invalid shape")
    elements = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if elements > len(storage) or (elements and last >= len(storage)):
        raise ValueError(f"it contains a tensor {size} of {len(storage)} elements")
    return storage.as_strided(size, stride, offset)


def _parameter(tensor: Any, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError
    return tensor


def _without_attributes(value: Any, _: Any) -> None:
    """Ignore the attributes of a state dict, which are versions of torch modules."""
    if not isinstance(value, dict):
        raise TypeError


def _fill(storage: Tensor, content: memoryview) -> None:
    """Copy bytes into a storage."""
    if storage.nbytes != len(content):
        raise ValueError(f"it contains {len(content)} bytes for {storage.nbytes} of a tensor")
    if len(content):
        storage.view(torch.uint8).numpy()[:] = content


def _read_archive(file: BinaryIO, length: int) -> Any:
    _require_short_directory(file)
    with ZipFile(file) as archive:
        entries = _checked_entries(archive.infolist(), length)
        root = next(
            (name[: -len("data.pkl")] for name in entries if name.endswith("/data.pkl")), ""
        )
        if not root or f"{root}constants.pkl" in entries:
            raise ValueError("it is an archive without weights")
        order = entries.get(f"{root}byteorder")
        if order is not None and (order.file_size != 6 or archive.read(order) != b"little"):
            raise ValueError("its numbers are not little-endian; save it again on this machine")
        if entries[f"{root}data.pkl"].file_size > MAX_PICKLE_BYTES:
            raise ValueError(f"it contains more than {MAX_PICKLE_BYTES} bytes besides tensors")
        storages = _Storages(length)
        value, _ = read_pickle(archive.read(f"{root}data.pkl"), storages.reading())
        for key, storage in storages.by_key.items():
            entry = entries.get(f"{root}data/{key}")
            if entry is None or entry.file_size != storage.nbytes:
                raise ValueError(
                    f"the elements of tensor {key[:20]!r} are missing or of another size"
                )
            _fill(storage, memoryview(archive.read(entry)))
    return value


def _require_short_directory(file: BinaryIO) -> None:
    """Check the size of an archive's directory before `ZipFile` reads all of it."""
    file.seek(0, os.SEEK_END)
    length = _ZIP64_END.size + _ZIP64_LOCATOR.size + _ZIP_END.size
    file.seek(max(0, file.tell() - length))
    tail = file.read().rjust(length, b"\0")
    zip64 = tail[: _ZIP64_END.size]
    signature, size, _ = _ZIP_END.unpack(tail[-_ZIP_END.size :])
    if signature != b"PK\x05\x06":
        raise ValueError("it is a damaged archive (its end is missing)")
    if tail[_ZIP64_END.size :].startswith(b"PK\x06\x07") and zip64.startswith(b"PK\x06\x06"):
        _, size = _ZIP64_END.unpack(zip64)
    if size > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory has more than {MAX_DIRECTORY_BYTES} bytes")


def _checked_entries(found: list[ZipInfo], length: int) -> Mapping[str, ZipInfo]:
    """Return the entries by name; refuse compressed, repeated and overlapping entries."""
    entries = {entry.filename: entry for entry in found}
    if len(entries) != len(found):
        raise ValueError("its archive contains a name twice")
    for entry in found:
        if entry.compress_type != ZIP_STORED or entry.flag_bits & 1:
            raise ValueError(f"{entry.filename[:80]!r} in its archive is compressed or encrypted")
        if entry.compress_size != entry.file_size:
            raise ValueError(f"{entry.filename[:80]!r} in its archive has two sizes")
    if sum(entry.file_size for entry in found) > length:
        raise ValueError("parts of its archive overlap")
    return entries


def _read_legacy(file: BinaryIO) -> Any:
    """Read the format before torch 1.6: consecutive pickles, then the elements."""
    file.seek(0)
    content = file.read()
    storages = _Storages(len(content))
    reading = storages.reading()
    magic, position = read_pickle(content, reading)
    if magic != _LEGACY_MAGIC:
        raise ValueError("it was not written by torch.save")
    version, position = read_pickle(content, reading, position)
    machine, position = read_pickle(content, reading, position)
    if version != _LEGACY_PROTOCOL or not isinstance(machine, dict):
        raise ValueError("it was written by an unsupported old version of torch")
    if machine.get("little_endian") is not True:
        raise ValueError("its numbers are not little-endian; save it again on this machine")
    saved, position = read_pickle(content, reading, position)
    keys, position = read_pickle(content, reading, position)
    if not isinstance(keys, list) or {*map(type, keys)} - {str}:
        raise ValueError("its list of tensors is damaged")
    if sorted(keys) != sorted(storages.by_key):
        raise ValueError("the elements of some tensors are missing")
    for key in keys:
        storage = storages.by_key[key]
        _fill(storage, memoryview(content)[position + 8 : position + 8 + storage.nbytes])
        position += 8 + storage.nbytes
    return saved
