"""Sequences over an index table give what lists of its values give."""

import numpy as np
import pyarrow as pa
import pytest
from helpers.errors import bad_item

from yt360.clips import clip_key
from yt360.shards.format import columns
from yt360.shards.format.columns import ClipRows, KeyColumn, TextColumn, TextLookup, table_rows
from yt360.shards.format.reader import ShardReader

TEXTS = [f"v{number % 7}" for number in range(10_000)]


@pytest.fixture(params=[1, 3], ids=["one chunk", "three chunks"])
def texts(request):
    return TextColumn(pa.chunked_array(np.array_split(TEXTS, request.param)))


def test_a_text_column_is_the_list_of_its_texts(texts):
    assert list(texts) == TEXTS and texts == TEXTS
    assert (texts[3], texts[-2], texts[5:9], texts[9:5]) == (TEXTS[3], TEXTS[-2], TEXTS[5:9], [])
    assert texts[9990::3] == TEXTS[9990::3]
    assert texts != TEXTS[1:] and texts != TEXTS[::-1]
    with pytest.raises(IndexError):
        texts[len(TEXTS)]


def test_texts_are_found_as_in_a_list(texts):
    assert "v6" in texts and "v7" not in texts and 6 not in texts
    assert texts.index("v6") == 6 and texts.index("v6", 7) == 13
    with pytest.raises(ValueError, match="v7"):
        texts.index("v7")


def test_a_lookup_finds_every_text_and_no_other():
    texts = [f"v{number}" for number in range(500)]
    lookup = TextLookup(TextColumn(pa.chunked_array([texts])))
    assert [lookup.find(text) for text in texts] == [*range(500)]
    assert lookup.find("v500") is None and lookup.find("") is None


def test_a_lookup_tells_texts_of_one_hash_apart(monkeypatch):
    monkeypatch.setattr(columns, "hash", len, raising=False)
    lookup = TextLookup(TextColumn(pa.chunked_array([["aa", "b", "cc", "dd"]])))
    assert [lookup.find(text) for text in ("aa", "b", "cc", "dd", "ee")] == [0, 1, 2, 3, None]


def test_numpy_and_arrow_take_the_whole_column(texts):
    assert np.array_equal(np.asarray(texts), TEXTS) and np.asarray(texts).dtype.kind == "U"
    assert np.asarray(texts, object)[[0, 8]].tolist() == ["v0", "v1"]
    assert pa.array(texts, pa.string()).to_pylist() == TEXTS


@pytest.mark.parametrize("chunks", [1, 3])
def test_keys_that_are_computed_on_demand_are_the_stored_ones(chunks, monkeypatch):
    monkeypatch.setattr(columns, "_BLOCK", 7)
    numbers = np.arange(60)
    ids, starts_s = [f"v{number // 3}" for number in numbers], numbers % 3 * 99_999
    expected = [clip_key(*each) for each in zip(ids, starts_s.tolist(), strict=True)]
    keys = KeyColumn(
        *(pa.chunked_array(np.array_split(values, chunks)) for values in (ids, starts_s))
    )
    assert list(keys) == expected and (keys[0], keys[-1], keys[5:9]) == (
        expected[0], expected[-1], expected[5:9]
    )  # fmt: skip
    assert keys.take([4, 2]) == [expected[4], expected[2]]
    assert keys.select(np.array([59, 3], np.int32)).to_pylist() == [expected[59], expected[3]]
    assert keys.index("v1-99999") == 4 and "v20-00000" not in keys
    assert keys.count_distinct() == len(keys) == 60
    shown = repr(keys)
    assert repr(expected[2]) in shown and "60" in shown and repr(expected[3]) not in shown
    assert np.asarray(keys).tolist() == pa.array(keys, pa.string()).to_pylist() == expected


def test_rows_are_those_of_the_table(dataset):
    reader = ShardReader(dataset, "train")
    rows = ClipRows(reader.table)
    assert list(rows) == table_rows(reader.table) == rows[:] and rows[-1] == rows[len(rows) - 1]
    assert [row.key for row in reader.rows] == reader.keys


@pytest.mark.parametrize("method", ["pread", "mmap"])
def test_each_member_is_what_read_returns(dataset, method):
    reader = ShardReader(dataset, "train", method=method)
    assert len({*reader.shard_numbers}) > 1
    for member in ("json", "flac"):
        members = [each for block in reader.blocks(member) for each in block]
        assert members == [reader.read(n, member) for n in range(len(reader))]


def test_the_clips_of_shards_are_all_clips_in_order(dataset):
    reader = ShardReader(dataset, "train")
    found = dict(reader.clips_of_shards())
    assert [clip for clips in found.values() for clip in clips] == [*range(len(reader))]
    assert all(reader.rows[clip].shard == name for name, clips in found.items() for clip in clips)


def test_blocks_are_of_one_shard_and_small(dataset):
    reader = ShardReader(dataset, "train")
    first = 0
    for block in reader.blocks("json", block_bytes=2000):
        assert sum(map(len, block[:-1])) < 2000
        assert len({*reader.shard_numbers[first : first + len(block)]}) == 1
        first += len(block)
    assert first == len(reader)


def test_blocks_of_a_shard_that_is_cut_short_are_read_until_there(dataset):
    reader = ShardReader(dataset, "train")
    last = reader.rows[int((reader.shard_numbers == 0).sum()) - 1]
    with (dataset / "train" / last.shard).open("r+b") as shard:
        shard.truncate(last.mp4_offset + 1)
    read = 0
    with bad_item("shard-truncated"):
        for block in reader.blocks("mp4"):
            read += len(block)
    assert read <= reader.keys.index(last.key)
