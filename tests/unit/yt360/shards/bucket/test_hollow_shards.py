"""Hollow shards have the headers and facts of the shards that they stand for."""

import shutil
from pathlib import Path

import pytest

from yt360.shards.bucket.hollow_shards import hollow_out, write_hollow
from yt360.shards.format.index import clip_rows


@pytest.fixture
def shard(prebuilt, tmp_path):
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    source = prebuilt / "data" / "train" / "clips-000000.tar"
    return Path(shutil.copy(source, folder))


def test_a_hollow_shard_has_the_index_and_the_facts_and_no_media(shard):
    rows, content = clip_rows(shard), shard.read_bytes()
    hollow_out(shard)
    hollow = shard.read_bytes()
    assert clip_rows(shard) == rows and len(hollow) == len(content)
    for row in rows:
        offset, size = row.byte_range("json")
        assert hollow[offset : offset + size] == content[offset : offset + size]
        offset, size = row.byte_range("mp4")
        assert hollow[offset : offset + size] == bytes(size)


def test_it_can_be_made_from_the_index_and_the_facts_alone(shard, tmp_path):
    rows, content = clip_rows(shard), shard.read_bytes()
    facts = [content[row.json_offset : row.json_offset + row.json_bytes] for row in rows]
    write_hollow(tmp_path / "hollow.tar", rows, facts, len(content))
    hollow_out(shard)
    assert (tmp_path / "hollow.tar").read_bytes() == shard.read_bytes()


def test_hollowing_twice_changes_nothing(shard):
    hollow_out(shard)
    once = shard.read_bytes()
    hollow_out(shard)
    assert shard.read_bytes() == once
