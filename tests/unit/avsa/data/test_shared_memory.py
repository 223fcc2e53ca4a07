from __future__ import annotations

import gc
import logging
import mmap

import pytest
import torch

from avsa.data.raw import Buffer
from avsa.data.shared_memory import SharedMemory
from yt360.execution.huge_pages import map_content


class FakeCudart:
    """Notes which memory is locked."""

    def __init__(self, error=0):
        self.error, self.locked, self.sizes = error, set(), []

    def cudaHostRegister(self, address, size, flags):
        assert flags == 1
        self.sizes.append(size)
        if not self.error:
            self.locked.add(address)
        return self.error

    def cudaHostUnregister(self, address):
        self.locked.remove(address)
        return 0


def test_another_map_of_the_memory_has_the_content_of_a_tensor():
    memory = SharedMemory(100)
    tensor = memory.tensor(8, (4, 5), torch.int16)
    tensor.copy_(torch.arange(20).view(4, 5))
    there = mmap.mmap(memory.descriptor, memory.size)
    assert there[8:48] == tensor.numpy().tobytes()
    there[8:10] = bytes([7, 0])
    assert tensor[0, 0] == 7


def test_large_memory_is_the_same_for_another_process():
    memory = SharedMemory(5 << 20)
    tensor = memory.tensor(4 << 20, (4, 5), torch.int16)
    tensor.copy_(torch.arange(20).view(4, 5))
    there, first = map_content(memory.descriptor, memory.size, mmap.mmap)
    start = first + (4 << 20)
    assert there[start : start + 40] == tensor.numpy().tobytes()


def test_tensors_outlive_their_memory():
    tensor = SharedMemory(100).tensor(0, (100,), torch.uint8)
    gc.collect()
    assert tensor.zero_().sum() == 0


@pytest.mark.parametrize("size", [5000, 5 << 20])
def test_memory_is_locked_as_long_as_a_tensor_uses_it(size):
    cudart = FakeCudart()
    memory = SharedMemory(size, pin=True, cudart=lambda: cudart)
    tensor = memory.tensor(0, (size,), torch.uint8)
    assert cudart.locked == {tensor.data_ptr()} and cudart.sizes == [size]
    del memory
    gc.collect()
    assert cudart.locked
    del tensor
    gc.collect()
    assert not cudart.locked


def test_memory_that_cannot_be_locked_is_used_with_a_warning(caplog):
    cudart = FakeCudart(error=2)
    with caplog.at_level(logging.WARNING):
        memory = SharedMemory(5000, pin=True, cudart=lambda: cudart)
    assert "error 2" in caplog.text
    tensor = memory.tensor(0, (5000,), torch.uint8).zero_()
    del memory, tensor
    gc.collect()


@pytest.mark.parametrize("size", [0, 1, 3])
def test_the_parts_of_a_buffer_do_not_overlap(size):
    buffer = Buffer.of_shapes((size, 2, 4, 6), (size, 2, 2, 2, 3), (size, 4, 7))
    parts = buffer.luma, buffer.chroma, buffer.audio
    for value, part in enumerate(parts, start=1):
        part.fill_(value)
    for value, part in enumerate(parts, start=1):
        assert part.numel() == 0 or (part == value).all()
