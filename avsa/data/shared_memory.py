"""Memory that decoder processes map too; it has no name and ends with the last process."""

from __future__ import annotations

import itertools
import logging
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch

from yt360.execution.huge_pages import address_of, file_bytes, map_content, use_huge_pages

logger = logging.getLogger(__name__)

_ALIGNMENT = 4096
# cudaHostRegisterPortable: for all devices.
_PORTABLE = 1
_numbers = itertools.count()


class SharedMemory:
    """Memory that is passed to other processes by its descriptor, with huge pages where possible.

    Args:
        size: Size in bytes.
        pin: Lock its pages for fast copies to CUDA devices. If CUDA refuses, a warning is logged.
        cudart: Returns the CUDA runtime.

    Attributes:
        number: Distinguishes it from all others of this process.
        descriptor: The file behind it, for `yt360.execution.huge_pages.map_content`.
    """

    def __init__(
        self, size: int, *, pin: bool = False, cudart: Callable[[], Any] = torch.cuda.cudart
    ) -> None:
        self.number, self.size = next(_numbers), max(size, 1)
        self.descriptor = _anonymous_file()
        weakref.finalize(self, os.close, self.descriptor).atexit = False
        os.ftruncate(self.descriptor, file_bytes(self.size))
        self._map, self._first = map_content(self.descriptor, self.size, _Map)
        use_huge_pages(self._map, self._first, self.size)
        if pin:
            self._map.pin(cudart(), self._first, self.size)

    def tensor(self, offset: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return a tensor in the memory, which stays mapped as long as the tensor exists."""
        count = int(np.prod(shape))
        if not count:
            return torch.empty(shape, dtype=dtype)
        first = self._first + offset
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=first).view(shape)


def aligned(size: int) -> int:
    """Return a size rounded up to whole pages."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _Map(mmap.mmap):
    """A mapping that unlocks its pages before it ends."""

    _unpin: Callable[[], object] | None = None

    def pin(self, cudart: Any, first: int, size: int) -> None:
        """Lock the pages of a part."""
        address = address_of(self) + first
        error = int(cudart.cudaHostRegister(address, size, _PORTABLE))
        if not error:
            self._unpin = partial(cudart.cudaHostUnregister, address)
            return
        logger.warning(
            "CUDA cannot lock %.0f MB of memory (error %d), so copies to the device are slower; "
            "`ulimit -l` may be too low",
            size / 1e6,
            error,
        )
        # CUDA reports the error again at the next kernel, which must not be one of the training.
        with suppress(RuntimeError, AssertionError):
            torch.zeros(1, device="cuda")

    def __del__(self) -> None:
        if self._unpin is not None:
            self._unpin()


def _anonymous_file() -> int:
    """Return the descriptor of a file without a name, which ends with its last descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("avsa-decoder")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
