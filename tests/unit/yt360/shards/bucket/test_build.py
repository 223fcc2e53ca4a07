"""A build in a bucket ends with the bytes of the same build in a folder, whatever happens."""

import hashlib
import json
import shutil
from dataclasses import replace

import pytest
from helpers.errors import user_error
from helpers.memory_buckets import Died, Dying, Memory, contents, memory_bucket
from helpers.s3_server import SLOW_DOWN, lost_answer, running, slow, truncated_upload

from yt360.buckets.failures import Changed
from yt360.buckets.lease import LEASE_FILE, LEASE_S, WriterLease
from yt360.locks import Locked
from yt360.shards.bucket.build import build_anywhere, build_in_bucket
from yt360.shards.bucket.workspace import open_workspace
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.format.dataset_info import DatasetInfo

URL = "memory://bucket/data"


@pytest.fixture
def few(fake, tmp_path):
    """Three videos of a channel and one of another."""
    folder = tmp_path / "few"
    for number, duration_s in enumerate((35, 25, 45, 15)):
        fake.write(folder / f"v{number}.mp4", duration_s, size=12000)
        facts = {"channel_id": f"UC{number // 3}"}
        (folder / f"v{number}.info.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def options(fake):
    return replace(fake.options, shard_mb=0.1)


def build(fake, folder, filesystem, options, cache, url=URL, **more):
    bucket = more.pop("bucket", None) or memory_bucket(url, filesystem)
    return build_in_bucket(
        find_inputs([folder]), url, options, make_pool=fake.pool, cache=cache, bucket=bucket, **more
    )


def local(fake, folder, out, options):
    fake.build(folder, out, options)
    return fake.tree(out)


def listed_shards(objects):
    """Return the (content, size, checksum) of every shard that a bucket lists."""
    if "dataset.json" not in objects:
        return []
    splits = json.loads(objects["dataset.json"])["splits"]
    return [
        (objects.get(f"{split}/{shard['name']}"), shard["bytes"], shard["sha256"])
        for split in splits
        for shard in splits[split]["shards"]
    ]


def assert_whole(objects):
    for content, size, sha256 in listed_shards(objects):
        assert content is not None and len(content) == size
        assert hashlib.sha256(content).hexdigest() == sha256


def test_the_bytes_are_those_of_a_build_in_a_folder(fake, media, dataset, tmp_path):
    store = Memory()
    report = build(fake, media, store, fake.options, tmp_path / "cache")
    assert contents(store, URL) == fake.tree(dataset)
    assert report.new_clips == report.info.num_clips == DatasetInfo.load(dataset).num_clips
    again = build(fake, media, store, fake.options, tmp_path / "cache")
    assert (again.new_clips, again.info) == (0, report.info)


def test_a_build_that_is_killed_at_any_write_continues(fake, few, options, tmp_path):
    wanted = local(fake, few, tmp_path / "local", options)
    writes = 0
    while True:
        store, cache = Memory(), tmp_path / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        try:
            build(fake, few, Dying(store, writes, after=bool(writes % 2)), options, cache)
        except Died:
            assert_whole(contents(store, URL))
        else:
            break
        build(fake, few, store, options, cache)
        assert contents(store, URL) == wanted
        writes += 1
    assert writes >= 2 * len(wanted)


def test_another_machine_continues_when_the_lease_has_expired(fake, few, options, tmp_path):
    wanted = local(fake, few, tmp_path / "local", options)
    store = Memory()
    with pytest.raises(Died):
        build(fake, few, Dying(store, 9, after=True), options, tmp_path / "killed")
    assert listed_shards(contents(store, URL))
    with user_error("in-use", URL):
        build(fake, few, store, options, tmp_path / "other")
    holder = json.loads(contents(store, URL)[LEASE_FILE])
    holder["renewed_s"] -= LEASE_S
    store.pipe_file("/bucket/data/" + LEASE_FILE, json.dumps(holder).encode())
    build(fake, few, store, options, tmp_path / "other")
    assert contents(store, URL) == wanted


def test_a_dataset_is_extended_from_another_machine(fake, few, options, tmp_path):
    """Splits follow the channels in the existing shards, of which only the facts are read."""
    store, more = Memory(), tmp_path / "more"
    build(fake, few, store, options, tmp_path / "one")
    fake.build(few, tmp_path / "local", options)
    for channel in range(2):
        fake.write(more / f"w{channel}.mp4", 25)
        (more / f"w{channel}.info.json").write_text(json.dumps({"channel_id": f"UC{channel}"}))
    wanted = local(fake, more, tmp_path / "local", options)
    build(fake, more, store, options, tmp_path / "two")
    assert contents(store, URL) == wanted


def test_a_damaged_index_is_made_again(fake, few, options, tmp_path):
    store = Memory()
    build(fake, few, store, options, tmp_path / "one")
    wanted = contents(store, URL)
    store.pipe_file("/bucket/data/train/index.parquet", b"damaged")
    build(fake, few, store, options, tmp_path / "two")
    assert contents(store, URL) == wanted


def test_a_writer_whose_lease_was_taken_cannot_list_anything(fake, few, options, tmp_path):
    wanted = local(fake, few, tmp_path / "local", options)
    store, stalled = Memory(), []

    def taken_over(function, task):
        if not stalled:
            stalled.append(task)
            store.rm_file("/bucket/data/" + LEASE_FILE)  # as if the lease had expired
            build(fake, few, store, options, tmp_path / "second")
        return function(task)

    class StallingPool(fake.pool):
        def run(self, function, tasks):
            while tasks:
                task = tasks.pop()
                yield task, taken_over(function, task)

    with pytest.raises(Changed):
        build_in_bucket(
            find_inputs([few]), URL, options, make_pool=StallingPool,
            cache=tmp_path / "first", bucket=memory_bucket(URL, store),
        )  # fmt: skip
    assert contents(store, URL) == wanted


def test_a_second_writer_changes_nothing(fake, few, options, tmp_path):
    store = Memory()
    with WriterLease(memory_bucket(URL, store), "elsewhere"):
        before = contents(store, URL)
        with user_error("in-use", URL):
            build(fake, few, store, options, tmp_path / "cache")
        assert contents(store, URL) == before
    here = open_workspace(URL, tmp_path / "cache", memory_bucket(URL, store))
    with here, pytest.raises(Locked):
        build(fake, few, store, options, tmp_path / "cache")


def test_other_options_and_other_content_are_refused(fake, few, options, tmp_path):
    store = Memory()
    store.pipe_file("/bucket/data/thesis.tex", b"years of work")
    with user_error("exists", "--out"):
        build(fake, few, store, options, tmp_path / "cache")
    store.rm_file("/bucket/data/thesis.tex")
    build(fake, few, store, options, tmp_path / "cache")
    before = contents(store, URL)
    with user_error("conflict", "--out"):
        build(fake, few, store, replace(options, clip_s=5), tmp_path / "cache")
    assert contents(store, URL) == before


def test_faults_of_a_store_do_not_change_the_bytes(fake, few, options, tmp_path):
    wanted = local(fake, few, tmp_path / "local", options)
    with running() as server:
        url = f"s3://{server.new_bucket()}/data"
        for fault, path in (
            (lost_answer, "data/.writer.json"),
            (lost_answer, "data/dataset.json"),
            (SLOW_DOWN, "data/dataset.json"),
            (truncated_upload, "data/dataset.json"),
            (lost_answer, "train/clips-000000.tar"),
            (truncated_upload, "train/clips-000000.tar"),
            (SLOW_DOWN, "train/index.parquet"),
            (slow, "train/clips-000001.tar"),
        ):
            server.fail(fault, "PUT", path)
        cache = tmp_path / "cache"
        build(fake, few, None, options, cache, url, bucket=server.objects(url))
        assert not server.faults
        assert contents(server.filesystem, url) == wanted


def test_a_folder_is_built_in_place(fake, media, dataset, tmp_path):
    out = tmp_path / "again"
    build_anywhere(find_inputs([media]), str(out), fake.options, make_pool=fake.pool)
    assert fake.tree(out) == fake.tree(dataset)
