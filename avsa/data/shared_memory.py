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

logger = logging.getLogger(__name__)

_ALIGNMENT = 4096
# cudaHostRegisterPortable: for all devices.
_PORTABLE = 1
_numbers = itertools.count()


class SharedMemory:
    """Memory that is passed to other processes by its descriptor.

    Args:
        size: Size in bytes.
        pin: Lock its pages for fast copies to CUDA devices. If CUDA refuses, a warning is logged.
        cudart: Returns the CUDA runtime.

    Attributes:
        number: Distinguishes it from all others of this process.
    """

    def __init__(
        self, size: int, *, pin: bool = False, cudart: Callable[[], Any] = torch.cuda.cudart
    ) -> None:
        self.number, self.size = next(_numbers), max(size, 1)
        self.descriptor = _anonymous_file()
        weakref.finalize(self, os.close, self.descriptor).atexit = False
        os.ftruncate(self.descriptor, self.size)
        self._map = _Map(self.descriptor, self.size)
        if pin:
            self._map.pin(cudart())

    def tensor(self, offset: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return a tensor in the memory, which stays mapped as long as the tensor exists."""
        count = int(np.prod(shape))
        if not count:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=offset).view(shape)


def aligned(size: int) -> int:
    """Return a size rounded up to whole pages."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _Map(mmap.mmap):
    """A mapping that unlocks its pages before it ends."""

    _unpin: Callable[[], object] | None = None

    def pin(self, cudart: Any) -> None:
        """Lock the pages."""
        address = torch.frombuffer(self, dtype=torch.uint8).data_ptr()
        error = int(cudart.cudaHostRegister(address, len(self), _PORTABLE))
        if not error:
            self._unpin = partial(cudart.cudaHostUnregister, address)
            return
        logger.warning(
            "CUDA cannot lock %.0f MB of memory (error %d), so copies to the device are slower; "
            "`ulimit -l` may be too low",
            len(self) / 1e6,
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
