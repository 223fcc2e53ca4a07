"""Read safetensors files: tensors and metadata by name."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from yt360.untrusted.arrays import MAX_FILE_BYTES
from yt360.untrusted.files import open_regular

MAX_HEADER_BYTES = 16 << 20
"""Of names, shapes and texts: some 100,000 tensors."""


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file, on the CPU, and its metadata.

    The library checks that tensors fill the file and do not lie over each other.

    Raises:
        ValueError: It is no such file or damaged, or its header or the file is too long.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        header = int.from_bytes(file.read(8), "little")
        length = os.fstat(file.fileno()).st_size
    if length > MAX_FILE_BYTES or header > min(MAX_HEADER_BYTES, length):
        raise ValueError(f"it has {length} bytes and a header of {header}")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"it is damaged ({str(error)[:200]})") from None
