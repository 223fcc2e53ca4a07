"""Copies that are being fetched count, what is read stays, and killed processes leave nothing."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from yt360.buckets.copy_folder import (
    CopyFolder,
    NoRoomError,
    TakenError,
    lock_for_reading,
    release,
)

A, B, C = (f"train/clips-{name}.tar" for name in "abc")
SIZE = 100
KILLED = """
import os, pathlib, sys
from yt360.buckets.copy_folder import CopyFolder
folder = CopyFolder(pathlib.Path(sys.argv[1]), 1, ".tar")
with folder.reserved(sys.argv[2], 100, 1000, []) as file:
    file.write(bytes(10))
    os._exit(9)
"""


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    (tmp_path / "train" / "index.bin").write_bytes(bytes(10 * SIZE))
    return CopyFolder(tmp_path, levels=1, suffix=".tar")


def reserve(folder, name, room=3, evictable=(), **options):
    return folder.reserved(name, SIZE, room * SIZE, evictable, **options)


def fetch(folder, name, **options):
    with reserve(folder, name, **options) as file:
        file.write(bytes(SIZE))


@contextmanager
def reading(folder, name):
    lock = lock_for_reading(folder.root / name)
    try:
        yield
    finally:
        release(lock)


def test_a_copy_is_present_when_it_is_whole(folder):
    with reserve(folder, A) as file:
        file.write(bytes(SIZE))
        assert folder.present() == {} and lock_for_reading(folder.root / A) is None
    assert {name: each.bytes for name, each in folder.present().items()} == {A: SIZE}


def test_a_copy_is_fetched_by_one_process(folder):
    with reserve(folder, A), pytest.raises(TakenError), reserve(folder, A):
        pass
    with pytest.raises(TakenError), reserve(folder, A):
        pass


def test_a_copy_that_is_being_fetched_counts(folder):
    fetch(folder, A)
    with reserve(folder, B, room=2), pytest.raises(NoRoomError), reserve(folder, C, room=2):
        pass


def test_a_failed_fetch_leaves_nothing(folder):
    before = set(folder.root.glob("train/*"))
    with pytest.raises(OSError, match="gone"), reserve(folder, A):
        raise OSError("gone")
    assert set(folder.root.glob("train/*")) == before
    fetch(folder, A, room=1)


def test_only_as_many_copies_as_needed_are_removed(folder):
    fetch(folder, A)
    fetch(folder, B)
    fetch(folder, C, room=2, evictable=[B, A])
    assert folder.present().keys() == {A, C}


def test_a_copy_that_is_read_is_passed_over(folder):
    fetch(folder, A)
    fetch(folder, B)
    with reading(folder, B), reading(folder, B):
        fetch(folder, C, room=2, evictable=[B, A])
    assert folder.present().keys() == {B, C}


def test_nothing_is_removed_in_vain(folder):
    fetch(folder, A)
    fetch(folder, B)
    with pytest.raises(NoRoomError), reserve(folder, C, room=1, evictable=[A]):
        pass
    with reading(folder, B), pytest.raises(NoRoomError):
        fetch(folder, C, room=1, evictable=[A, B])
    assert folder.present().keys() == {A, B}


def test_the_limit_may_be_exceeded_when_too_little_can_be_removed(folder):
    fetch(folder, A)
    fetch(folder, B)
    with reading(folder, B):
        fetch(folder, C, room=1, evictable=[A, B], may_exceed=True)
    assert folder.present().keys() == {B, C}


def test_reading_sets_the_time_of_the_last_read_alone(folder):
    fetch(folder, A)
    fetch(folder, B)
    changed = (folder.root / A).stat().st_mtime_ns
    with reading(folder, A):
        pass
    present = folder.present()
    assert present[A].last_read_ns > present[B].last_read_ns
    assert (folder.root / A).stat().st_mtime_ns == changed


def test_what_a_killed_process_left_makes_room(folder):
    assert subprocess.run([sys.executable, "-c", KILLED, folder.root, A]).returncode == 9
    assert [path.stat().st_size for path in folder.root.glob("train/.*")] == [SIZE]
    fetch(folder, A, room=1)
    assert folder.present().keys() == {A} and not list(folder.root.glob("train/.*"))
