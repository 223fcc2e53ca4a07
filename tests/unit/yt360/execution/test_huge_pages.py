from __future__ import annotations

import mmap
import os

import numpy as np
import pytest

from yt360.execution.huge_pages import (
    HUGE_BYTES,
    address_of,
    file_bytes,
    map_content,
    use_huge_pages,
)


@pytest.fixture
def file(tmp_path):
    """Return a function that makes a file for some content, and its descriptor."""
    descriptors = []

    def make(size):
        descriptor = os.open(tmp_path / str(size), os.O_RDWR | os.O_CREAT)
        descriptors.append(descriptor)
        os.ftruncate(descriptor, file_bytes(size))
        return descriptor

    yield make
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("size", [1, HUGE_BYTES - 1, HUGE_BYTES, 2 * HUGE_BYTES + 5])
def test_maps_of_a_file_have_the_same_content_wherever_they_are(file, size):
    descriptor = file(size)
    # Maps in between change the addresses.
    maps = []
    for between in range(3):
        maps.append(map_content(descriptor, size, mmap.mmap))
        maps.append((mmap.mmap(-1, (between + 1) * 4096), 0))
    for number, (memory, first) in enumerate(maps[::2], start=1):
        memory[first], memory[first + size - 1] = number, number
        for other, begin in maps[::2]:
            assert other[begin] == other[begin + size - 1] == number


def test_content_is_kept_with_and_without_huge_pages(file):
    size = 2 * HUGE_BYTES
    for content, aligned in ((1, True), (2, False)):
        memory, first = map_content(file(size + content), size + content, mmap.mmap)
        part = np.frombuffer(memory, np.uint8)[first:]
        if aligned:
            use_huge_pages(memory, first, size)
        else:
            assert not use_huge_pages(memory, first + 4096, size - 4096)
        assert not part.any()
        part[:size] = content
        assert part[:size].all()


def test_memory_of_less_than_a_huge_page_is_mapped_as_it_is(file):
    memory, first = map_content(file(100), 100, mmap.mmap)
    assert (first, len(memory), file_bytes(100)) == (0, 100, 100)
    assert not use_huge_pages(memory, first, 100)


def test_an_address_is_that_of_the_first_byte():
    memory = mmap.mmap(-1, 8192)
    assert address_of(memory) == np.frombuffer(memory, np.uint8).ctypes.data
