"""Shards that are being fetched count, and killed processes leave nothing."""

import subprocess
import sys

import pytest

from avsa.data.remote.shard_folder import (
    NoRoomError,
    TakenError,
    present_shards,
    reserved_shard,
)

A, B, C = (f"train/clips-{name}.tar" for name in "abc")
SIZE = 100
KILLED = """
import os, pathlib, sys
from avsa.data.remote.shard_folder import reserved_shard
with reserved_shard(pathlib.Path(sys.argv[1]), sys.argv[2], 100, 1000, [], lambda _: False) as file:
    file.write(bytes(10))
    os._exit(9)
"""


@pytest.fixture
def root(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    return tmp_path


def reserve(root, name, room=3, evictable=(), in_use=()):
    def remove(other):
        if other not in in_use:
            (root / other).unlink()
        return other not in in_use

    return reserved_shard(root, name, SIZE, room * SIZE, evictable, remove)


def fetch(root, name, **options):
    with reserve(root, name, **options) as file:
        file.write(bytes(SIZE))


def test_a_shard_is_present_when_it_is_whole(root):
    with reserve(root, A) as file:
        file.write(bytes(SIZE))
        assert present_shards(root) == {}
    assert present_shards(root) == {A: SIZE}


def test_a_shard_is_fetched_by_one_process(root):
    with reserve(root, A), pytest.raises(TakenError), reserve(root, A):
        pass
    with pytest.raises(TakenError), reserve(root, A):
        pass


def test_a_shard_that_is_being_fetched_counts(root):
    fetch(root, A)
    with reserve(root, B, room=2), pytest.raises(NoRoomError), reserve(root, C, room=2):
        pass


def test_a_failed_fetch_leaves_nothing(root):
    with pytest.raises(OSError, match="gone"), reserve(root, A):
        raise OSError("gone")
    assert not list((root / "train").iterdir())
    fetch(root, A, room=1)


def test_only_as_many_shards_as_needed_are_removed(root):
    fetch(root, A)
    fetch(root, B)
    fetch(root, C, room=2, evictable=[B, A])
    assert present_shards(root).keys() == {A, C}


def test_a_shard_in_use_is_passed_over(root):
    fetch(root, A)
    fetch(root, B)
    fetch(root, C, room=2, evictable=[B, A], in_use=[B])
    assert present_shards(root).keys() == {B, C}


def test_nothing_is_removed_in_vain(root):
    fetch(root, A)
    fetch(root, B)
    with pytest.raises(NoRoomError), reserve(root, C, room=1, evictable=[A]):
        pass
    assert present_shards(root).keys() == {A, B}


def test_what_a_killed_process_left_makes_room(root):
    assert subprocess.run([sys.executable, "-c", KILLED, root, A]).returncode == 9
    assert [path.stat().st_size for path in (root / "train").iterdir()] == [SIZE]
    fetch(root, A, room=1)
    assert present_shards(root) == {A: SIZE} and len(list((root / "train").iterdir())) == 1
