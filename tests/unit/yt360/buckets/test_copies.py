"""Copies of media in a bucket are there while they are read, within a limit of disk space."""

from __future__ import annotations

import os

import pytest
from helpers.memory_buckets import Memory, memory_bucket

from yt360.buckets.cache import COPIES_FOLDER
from yt360.buckets.copies import copies, make_media_workspace
from yt360.buckets.media import delete_video, upload_video
from yt360.errors import UserError

URL = "memory://bucket/media"
NAMES = [f"v{number}.mp4" for number in range(4)]


@pytest.fixture
def memory(tmp_path):
    """A bucket with four videos of 1,000 bytes."""
    memory = Memory()
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(bytes([number]) * 1000)
        upload_video(memory_bucket(URL, memory), f"ab/v{number}", tmp_path, [name])
    return memory


@pytest.fixture
def read(memory, tmp_path, monkeypatch):
    """Return a function that yields the copies of videos, by number, as `copies` does."""
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "cache"))
    folder = make_media_workspace(URL) / COPIES_FOLDER

    def begin(*numbers):
        paths = [folder / "ab" / f"v{number}" / f"v{number}.mp4" for number in numbers]
        return paths, copies(paths, lambda url: memory_bucket(url, memory))

    return begin


def here(read):
    return [number for number in range(4) if read(number)[0][0].exists()]


def test_files_are_fetched_once_and_kept(read, memory):
    paths, present = read(0, 1)
    with present:
        assert [path.read_bytes() for path in paths] == [b"\0" * 1000, b"\1" * 1000]
    memory.rm_file("/bucket/media/ab/v0/v0.mp4")
    with read(0)[1]:
        assert paths[0].read_bytes() == b"\0" * 1000
    assert not list(paths[0].parent.glob(".*.lock")), "no lock is left"


@pytest.mark.parametrize("checksum_is_lost", [False, True])
def test_a_copy_of_a_file_that_was_uploaded_again_is_replaced(
    read, memory, tmp_path, checksum_is_lost
):
    (path,), present = read(0)
    with present:
        assert path.read_bytes() == b"\0" * 1000
    if checksum_is_lost:
        path.with_name(".v0.mp4.sha256").unlink()
    (tmp_path / "v0.mp4").write_bytes(b"\7" * 1000)
    upload_video(memory_bucket(URL, memory), "ab/v0", tmp_path, ["v0.mp4"])
    with read(0)[1]:
        assert path.read_bytes() == b"\7" * 1000


def test_a_copy_whose_checksum_is_lost_is_not_fetched_again(read, memory):
    (path,), present = read(0)
    with present:
        path.with_name(".v0.mp4.sha256").unlink()
    memory.rm_file("/bucket/media/ab/v0/v0.mp4")
    with read(0)[1]:
        assert path.read_bytes() == b"\0" * 1000


def test_a_copy_of_a_file_that_the_bucket_lists_no_longer_is_removed(read, memory):
    (path,), present = read(0)
    with present:
        assert path.exists()
    delete_video(memory_bucket(URL, memory), "ab/v0")
    with read(0)[1]:
        assert not path.exists()


def test_what_was_read_longest_ago_makes_room(read, monkeypatch):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", str(2500 / 1e9))
    for number in (0, 1, 0, 2):
        paths, present = read(number)
        with present:
            assert paths[0].exists()
    assert here(read) == [0, 2]


def test_what_is_being_read_stays(read, monkeypatch):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", str(1500 / 1e9))
    (path,), present = read(0)
    with present:
        with read(1)[1]:
            assert here(read) == [0, 1]
        with read(2)[1]:
            assert path.exists() and here(read) == [0, 2]
    with read(3)[1]:
        assert here(read) == [3]


def test_what_another_process_is_fetching_counts(read, memory, monkeypatch):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", str(2500 / 1e9))
    for number in (0, 1):
        with read(number)[1]:
            pass
    fetch, during = memory.cat_file, []

    def cat_file(path, *arguments, **options):
        if path.endswith("v2.mp4"):
            with read(3)[1]:
                during.extend(here(read))
        return fetch(path, *arguments, **options)

    memory.cat_file = cat_file
    with read(2)[1]:
        assert during == [3] and here(read) == [2, 3]


def test_what_a_killed_process_was_fetching_does_not_count(read, monkeypatch):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", str(2500 / 1e9))
    left = read(3)[0][0].with_name(".v3.mp4.0.tmp")
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(10_000))
    for number in (0, 1):
        with read(number)[1]:
            pass
    assert here(read) == [0, 1] and not left.exists()


def test_a_file_that_the_bucket_does_not_list_stays_missing(read):
    (path,), present = read(7)
    with present:
        assert not path.exists()


def test_an_object_that_was_changed_is_refused(read, memory):
    memory.pipe_file("/bucket/media/ab/v0/v0.mp4", b"\7" * 1000)
    (path,), present = read(0)
    with pytest.raises(UserError) as caught, present:
        pass
    assert caught.value.code == "network" or caught.value.key
    assert not path.exists()


def test_local_media_and_folders_of_others_cause_no_request(tmp_path, read):
    foreign = tmp_path / "elsewhere" / "media" / "bucket-1" / COPIES_FOLDER / "ab" / "v0" / "v0.mp4"
    foreign.parents[3].mkdir(parents=True)
    (foreign.parents[3] / "url").write_text(URL)

    def refuse(_url):
        raise AssertionError("a request")

    with copies([foreign, tmp_path / NAMES[0], tmp_path / "missing.mp4"], refuse):
        assert not foreign.exists()


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "many"])
def test_a_limit_that_is_no_positive_number_is_refused(read, monkeypatch, limit):
    monkeypatch.setenv("YT360_MEDIA_CACHE_GB", limit)
    with pytest.raises(UserError) as caught, read(0)[1]:
        pass
    assert (caught.value.code, caught.value.key) == ("out-of-range", "YT360_MEDIA_CACHE_GB")


def test_reading_does_not_change_the_time_of_a_copy(read):
    (path,), present = read(0)
    with present:
        os.utime(path, ns=(1, 12345))
    with read(0)[1]:
        assert path.stat().st_mtime_ns == 12345 and path.stat().st_atime_ns > 1
