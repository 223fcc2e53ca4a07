"""Map shared memory so that it can have pages of 2 MiB.

A batch is larger than any cache, and with pages of 4 kB the processor has to look up most of the
pages that decoders write, which takes longer than to write them, above all in a virtual machine.

A huge page needs an address and an offset in the file that are congruent modulo its size, but
Python's `mmap` cannot choose the address. So the content of a file begins after one page that stays
empty, and each process maps the file from an offset that suits the address that it gets.
Where huge pages are not available, the memory has small ones.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from contextlib import suppress
from typing import TypeVar

HUGE_BYTES = 2 << 20
# Linux 6.1 and later; not in Python's `mmap`. For this, it does not matter whether the system gives
# huge pages to shared memory by itself.
_MADV_COLLAPSE = 25

Map = TypeVar("Map", bound=mmap.mmap)


def file_bytes(size: int) -> int:
    """Return the size of a file for `size` bytes of content."""
    return size if size < HUGE_BYTES else _mapped_bytes(size) + HUGE_BYTES


def map_content(descriptor: int, size: int, kind: type[Map]) -> tuple[Map, int]:
    """Map the content of a file.

    Args:
        descriptor: The file, of `file_bytes(size)` bytes.
        size: Size of the content.
        kind: Class of the map.

    Returns:
        The map, and the first byte of the content in it.
    """
    if size < HUGE_BYTES:
        return kind(descriptor, size), 0
    length = _mapped_bytes(size)
    with mmap.mmap(descriptor, length) as trial:
        offset = address_of(trial) % HUGE_BYTES
    # The system usually takes the same place again; if not, the pages are small.
    return kind(descriptor, length, offset=offset), HUGE_BYTES - offset


def use_huge_pages(memory: mmap.mmap, first: int, size: int) -> bool:
    """Give the content of a new map huge pages, as far as it fills them; return whether it has."""
    length = size // HUGE_BYTES * HUGE_BYTES
    if length and sys.platform == "linux" and (address_of(memory) + first) % HUGE_BYTES == 0:
        with suppress(OSError, ValueError):  # older systems, or no free huge pages
            # Memory without any page is refused.
            for place in range(first, first + length, HUGE_BYTES):
                memory[place] = 0
            memory.madvise(_MADV_COLLAPSE, first, length)
            return True
    return False


def address_of(memory: mmap.mmap) -> int:
    """Return the address of a map."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _mapped_bytes(size: int) -> int:
    """Return the length of a map: whole huge pages, and one that is empty."""
    return (-(-size // HUGE_BYTES) + 1) * HUGE_BYTES
