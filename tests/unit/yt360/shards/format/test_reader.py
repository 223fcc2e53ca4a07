from __future__ import annotations

import os
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.errors import bad_item, user_error

from yt360.shards.format import shard_file
from yt360.shards.format.reader import ShardReader


def contents(dataset, split):
    found = {}
    for shard in sorted((dataset / split).glob("*.tar")):
        with tarfile.open(shard) as tar:
            found.update({entry.name: tar.extractfile(entry).read() for entry in tar})
    return found


@pytest.mark.parametrize("method", ["mmap", "pread"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_member_is_what_tar_gives(dataset, split, method):
    reader = ShardReader(dataset, split, method=method)
    found = {
        f"{key}.{member}": bytes(reader.read(clip, member))
        for clip, key in enumerate(reader.keys)
        for member in ("mp4", "flac", "json")
    }
    assert found == contents(dataset, split)
    assert len(reader) == len(reader.rows) == len(reader.video_ids) == len(found) // 3


def test_a_reader_of_some_columns_reads_their_members(dataset):
    every = ShardReader(dataset, "train")
    columns = ("video_id", "start_s", "shard", "json_offset", "json_bytes")
    some = pickle.loads(pickle.dumps(ShardReader(dataset, "train", columns=columns)))
    assert some.table.column_names == [*columns]
    assert some.table.equals(every.table.select(columns))
    assert some.shard_numbers.tolist() == every.shard_numbers.tolist()
    assert some.keys == every.keys and some.video_ids == every.video_ids
    assert [*some.blocks("json")] == [*every.blocks("json")]
    with pytest.raises(KeyError):
        some.read(0, "mp4")


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_shards_are_counted_in_the_order_of_the_index(dataset, rows):
    path = dataset / "train" / "index.parquet"
    table = pq.read_table(path, partitioning=None)
    names = table.column("shard").to_pylist()
    assert len({*names}) > 1
    pq.write_table(table.take([*reversed(range(len(table)))]), path, row_group_size=rows)
    reader = ShardReader(dataset, "train")
    order = [*dict.fromkeys(reversed(names))]
    assert reader.shard_numbers.tolist() == [order.index(name) for name in reversed(names)]
    assert [reader.shard_name(clip) for clip in range(len(reader))] == [*reversed(names)]
    assert [row.shard for row in reader.rows] == [*reversed(names)]


def test_plain_webdataset_reads_the_same(dataset):
    import webdataset

    shards = sorted(str(path) for path in (dataset / "train").glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    reader = ShardReader(dataset, "train")
    assert [sample["__key__"] for sample in samples] == reader.keys
    for clip, sample in enumerate(samples):
        for member in ("mp4", "flac", "json"):
            assert sample[member] == reader.read(clip, member)


@pytest.mark.parametrize("method", ["mmap", "pread"])
def test_many_threads_read_what_one_reads(dataset, method, monkeypatch):
    monkeypatch.setattr(shard_file, "MAX_OPEN_SHARDS", 2)  # shards come and go meanwhile
    reader = ShardReader(dataset, "train", method=method)
    clips = [clip * 7 % len(reader) for clip in range(600)]
    alone = [bytes(reader.read(clip, "mp4")) for clip in clips]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda clip: bytes(reader.read(clip, "mp4")), clips))
    assert together == alone


def test_a_view_outlives_the_reader(dataset):
    reader = ShardReader(dataset, "train", method="mmap")
    view = reader.read(0, "mp4")
    expected = bytes(view)
    reader.close()
    del reader
    assert view == expected
    assert view.readonly


def test_open_shards_do_not_pile_up(dataset, monkeypatch):
    monkeypatch.setattr(shard_file, "MAX_OPEN_SHARDS", 1)
    reader = ShardReader(dataset, "train")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for clip in range(len(reader)):
        reader.read(clip, "mp4")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_a_reader_travels_to_another_process(dataset):
    reader = ShardReader(dataset, "test", method="pread")
    reader.read(0, "mp4")
    copy = pickle.loads(pickle.dumps(reader))
    assert (copy.keys, copy.method) == (reader.keys, "pread")
    assert copy.read(0, "flac") == reader.read(0, "flac")


@pytest.mark.parametrize("method", ["mmap", "pread"])
def test_a_damaged_shard_is_a_bad_item(dataset, method):
    shard = dataset / "train" / "clips-000000.tar"
    shard.chmod(0o644)
    os.truncate(shard, 2000)
    reader = ShardReader(dataset, "train", method=method)
    with bad_item("shard-truncated"):
        reader.read(0, "mp4")
    os.truncate(shard, 0)
    # An empty file cannot be mapped at all.
    with bad_item("shard-unreadable" if method == "mmap" else "shard-truncated"):
        ShardReader(dataset, "train", method=method).read(0, "mp4")
    shard.unlink()
    with bad_item("shard-unreadable"):
        ShardReader(dataset, "train", method=method).read(0, "mp4")


def test_a_shard_cut_short_while_it_is_read_is_a_bad_item(dataset):
    shard = dataset / "train" / "clips-000000.tar"
    shard.chmod(0o644)
    reader = ShardReader(dataset, "train")
    before = reader.read(0, "mp4")
    expected = bytes(before)
    os.truncate(shard, 0)
    assert before == expected
    with bad_item("shard-truncated"):
        reader.read(0, "mp4")


def test_a_member_too_large_to_copy_is_a_bad_item(dataset, monkeypatch):
    reader = ShardReader(dataset, "train")
    monkeypatch.setattr(shard_file, "MAX_MEMBER_BYTES", reader.rows[0].mp4_bytes - 1)
    with bad_item("too-large"):
        reader.read(0, "mp4")


def test_wrong_requests_are_refused(dataset, tmp_path):
    reader = ShardReader(dataset, "train")
    for clip in (-1, len(reader)):
        with pytest.raises(IndexError, match=r"not in \[0"):
            reader.read(clip, "mp4")
    with user_error("unknown-name", key="split"):
        ShardReader(dataset, "valid")
    with user_error("unknown-name", key="method"):
        ShardReader(dataset, "train", method="curl")
    with user_error("missing"):
        ShardReader(tmp_path, "train")
    with user_error("missing"):
        ShardReader(tmp_path / "none", "train")
