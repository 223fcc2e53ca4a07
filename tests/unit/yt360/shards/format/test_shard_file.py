from __future__ import annotations

import os

import pytest
from helpers.errors import bad_item

from yt360.shards.format.shard_file import ShardFile


@pytest.fixture
def content():
    return os.urandom(5000)


@pytest.fixture
def path(tmp_path, content):
    path = tmp_path / "clips.tar"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", ["mmap", "pread"])
def test_a_range_is_read_with_and_without_given_memory(path, content, method):
    shard, memory = ShardFile(path, path.parent, method), memoryview(bytearray(4096))
    for start, size in ((0, 4096), (904, 4096), (17, 0), (4999, 1)):
        for read in (shard.read(start, size), shard.read(start, size, memory)):
            assert read == content[start : start + size] and read.readonly


def test_a_copy_in_given_memory_is_valid_until_the_next_one(path, content):
    shard, memory = ShardFile(path, path.parent), memoryview(bytearray(100))
    first = shard.read(0, 50, memory)
    shard.read(50, 50, memory)
    assert first == content[50:100]


@pytest.mark.parametrize("size", [5001, 4001])
def test_a_file_that_ends_early_is_a_bad_item(path, size):
    shard, memory = ShardFile(path, path.parent), memoryview(bytearray(6000))
    if size <= 5000:
        os.truncate(path, 4000)  # after it was opened
    for read in (lambda: shard.read(0, size), lambda: shard.read(0, size, memory)):
        with bad_item("shard-truncated"):
            read()
