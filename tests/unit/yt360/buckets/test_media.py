"""The files of a video in a bucket: what a list names is there, whatever happens."""

from __future__ import annotations

import itertools
import json
from hashlib import sha256

import pytest
from helpers.memory_buckets import Died, Dying, Memory, contents, memory_bucket
from helpers.s3_server import DENIED, SLOW_DOWN, lost_answer, truncated_upload

from yt360.buckets.failures import Changed
from yt360.buckets.media import (
    LIST_FILE,
    claim_prefix,
    delete_video,
    list_video,
    upload_video,
)
from yt360.errors import UserError

URL = "memory://bucket/media"
PLACE = "ab/abc"


@pytest.fixture
def folder(tmp_path):
    """Two files of a video."""
    (tmp_path / "abc.video.mp4").write_bytes(b"picture" * 1000)
    (tmp_path / "abc.sound.webm").write_bytes(b"sound" * 1000)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def is_consistent(objects):
    """Return whether everything that lists name is stored with its size and checksum."""
    return all(
        len(objects[f"{path.rpartition('/')[0]}/{name}"]) == stated["bytes"]
        and sha256(objects[f"{path.rpartition('/')[0]}/{name}"]).hexdigest() == stated["sha256"]
        for path, content in objects.items()
        if path.endswith(LIST_FILE)
        for name, stated in json.loads(content)["files"].items()
    )


def test_files_are_uploaded_and_then_listed(bucket, folder):
    upload_video(bucket, PLACE, folder, names(folder))
    listed = list_video(bucket, PLACE)
    assert sorted(listed) == names(folder)
    for name, stated in listed.items():
        stored = bucket.read(f"{PLACE}/{name}").content
        assert stored == (folder / name).read_bytes()
        assert (stated.bytes, stated.sha256) == (len(stored), sha256(stored).hexdigest())
    before = bucket.sizes(), bucket.read(f"{PLACE}/{LIST_FILE}").version
    upload_video(bucket, PLACE, folder, names(folder))
    assert (bucket.sizes(), bucket.read(f"{PLACE}/{LIST_FILE}").version) == before


def test_new_files_take_the_place_of_old_ones(bucket, folder):
    upload_video(bucket, PLACE, folder, names(folder))
    (folder / "abc.both.mp4").write_bytes(b"both")
    upload_video(bucket, PLACE, folder, ["abc.both.mp4"])
    assert bucket.sizes().keys() == {f"{PLACE}/abc.both.mp4", f"{PLACE}/{LIST_FILE}"}
    assert delete_video(bucket, PLACE) == 1 and not bucket.sizes()
    assert delete_video(bucket, PLACE) == 0 and not list_video(bucket, PLACE)


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_write_leaves_no_list_of_files_that_are_missing(folder, after):
    for writes in range(4):
        memory = Memory()
        try:
            upload_video(
                memory_bucket(URL, Dying(memory, writes, after)), PLACE, folder, names(folder)
            )
        except Died:
            assert writes < 3
        else:
            assert writes == 3, "two files and a list"
        objects = contents(memory, URL)
        assert is_consistent(objects)
        assert (f"{PLACE}/{LIST_FILE}" in objects) == (writes + after >= 3)
        upload_video(memory_bucket(URL, memory), PLACE, folder, names(folder))
        assert sorted(list_video(memory_bucket(URL, memory), PLACE)) == names(folder)


@pytest.mark.parametrize("fault", [SLOW_DOWN, lost_answer, truncated_upload])
def test_faults_of_the_store_change_nothing(server, folder, fault):
    bucket = server.objects(f"s3://{server.new_bucket()}/media")
    server.fail(fault, "PUT", "abc.video.mp4")
    server.fail(fault, "PUT", LIST_FILE)
    upload_video(bucket, PLACE, folder, names(folder))
    assert not server.faults
    objects = {name: bucket.read(name).content for name in bucket.sizes()}
    assert is_consistent(objects) and len(objects) == 3


def test_a_second_writer_of_a_video_is_refused(folder):
    memory = Memory()

    calls = itertools.count()

    def another_writer_lists_it():
        if next(calls) == 1:
            other = memory_bucket(URL, memory)
            upload_video(other, PLACE, folder, ["abc.video.mp4"])

    with pytest.raises(Changed):
        upload_video(
            memory_bucket(URL, memory), PLACE, folder, names(folder), another_writer_lists_it
        )
    assert list(list_video(memory_bucket(URL, memory), PLACE)) == ["abc.video.mp4"]


def test_a_prefix_belongs_to_one_catalog(bucket):
    claim_prefix(bucket, "1" * 32)
    claim_prefix(bucket, "1" * 32)
    with pytest.raises(UserError) as caught:
        claim_prefix(bucket, "2" * 32)
    assert caught.value.code == "exists"


def test_a_bucket_without_rights_is_told(server):
    bucket = server.objects(f"s3://{server.new_bucket()}/media")
    server.fail(DENIED, "PUT", times=9)
    with pytest.raises(UserError) as caught:
        claim_prefix(bucket, "1" * 32)
    server.faults.clear()
    assert "\n" not in str(caught.value) and caught.value.key.startswith(bucket.url)


@pytest.mark.parametrize("content", [b"{", b'{"files": {"a": {"bytes": -1, "sha256": ""}}}'])
def test_a_damaged_list_names_nothing(bucket, content):
    bucket.put(f"{PLACE}/{LIST_FILE}", content)
    assert list_video(bucket, PLACE) == {}
