"""The rows and members of a dataset."""

import json
import math
import shutil

import pytest
from helpers.errors import bad_item, user_error
from helpers.explore import InProcess
from helpers.paths import REPOSITORY

from yt360.explore.sources.dataset import DatasetSource, verdicts_of_facts
from yt360.explore.sources.source import AUDIO, STATES, VIDEO, read_member
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import DATASET_FILE
from yt360.splits import SPLITS

SHARDS = REPOSITORY / "shards"
REJECTED = {
    "video_id": "other", "file_start_s": 20, "start_s": None, "file": "<b>other</b>.mp4",
    "reason": "silent", "detail": "W is silent", "fingerprint": "0", "lost_s": None,
    "measurements": {"silence": {"level_dbfs": -80.0}},
}  # fmt: skip


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    shutil.copytree(SHARDS, folder)
    info = json.loads((folder / DATASET_FILE).read_text())
    (folder / DATASET_FILE).write_text(json.dumps({**info, "rejected": [REJECTED]}))
    return folder


def test_rows_are_those_of_the_splits_and_then_what_was_left_out(dataset):
    source = DatasetSource(dataset, InProcess())
    keys = [key for split in SPLITS for key in ShardReader(dataset, split).keys]
    rows = source.rows(0, source.num_clips + source.num_rejected)
    assert rows["key"] == [*keys, "other-00020"]
    assert [source.key(row) for row in range(len(keys) + 1)] == rows["key"]
    assert [STATES[state] for state in rows["state"]] == ["in"] * len(keys) + ["left out"]
    assert rows["reason"][-1] == 0 and source.columns[9].values == ("silent",)
    assert {len(column) for column in rows.values()} == {len(keys) + 1}
    assert all(isinstance(level, float) for level in rows["level_db"][:-1])


def test_parts_of_the_list_join_to_the_list(dataset):
    source = DatasetSource(dataset, InProcess(), classes_s=math.inf)
    number = source.num_clips + source.num_rejected
    whole = source.rows(0, number)
    for name, column in whole.items():
        assert [value for n in range(number) for value in source.rows(n, n + 1)[name]] == column


def test_members_are_those_of_the_shards(dataset):
    source = DatasetSource(dataset, InProcess())
    reader = ShardReader(dataset, "test")
    row = source.num_clips - len(reader)
    assert source.split(row) == "test" and source.split(row - 1) == "train"
    for name, member in ((VIDEO, "mp4"), (AUDIO, "flac")):
        found = source.member(row, name)
        content = bytes(reader.read(0, member))
        assert bytes(found.read(3, 50)) == content[3:50]
        assert read_member(source, row, name, found.size) == content
        assert read_member(source, row, name, found.size - 1) is None


def test_members_have_different_tags(dataset):
    source = DatasetSource(dataset, InProcess())
    tags = {
        source.member(row, name).tag for row in range(source.num_clips) for name in (VIDEO, AUDIO)
    }
    assert len(tags) == 2 * source.num_clips


def test_what_was_left_out_has_a_reason_and_no_media(dataset):
    source = DatasetSource(dataset, InProcess())
    row = source.num_clips
    facts = source.facts(row)
    assert (facts["reason"], facts["title"], facts["media"]) == ("silent", REJECTED["file"], False)
    assert source.member(row, VIDEO) is None
    assert {"name": "silence: level_dbfs", "value": -80.0, "unit": "dBFS", "text": ""} in facts[
        "verdicts"
    ]


def test_a_damaged_clip_costs_its_own_facts_only(dataset):
    shard = next((dataset / "test").glob("clips-*.tar"))
    content = bytearray(shard.read_bytes())
    reader = ShardReader(dataset, "test")
    start = reader.rows[0].json_offset
    content[start : start + 5] = b"xxxxx"
    shard.write_bytes(content)
    source = DatasetSource(dataset, InProcess())
    row = source.num_clips - len(reader)
    with bad_item("bad-json"):
        source.facts(row)
    rows = source.rows(row, row + 2)
    assert rows["title"][0] is None and rows["title"][1] is not None


def test_clips_have_pictures(dataset):
    source = DatasetSource(dataset, InProcess())
    assert source.thumbnail(0).startswith(b"\xff\xd8")
    assert source.thumbnail(source.num_clips) is None


@pytest.mark.parametrize("row", [-1, 10**9])
def test_other_rows_do_not_exist(dataset, row):
    for method in (
        DatasetSource(dataset, InProcess()).key,
        DatasetSource(dataset, InProcess()).facts,
    ):
        with pytest.raises(IndexError):
            method(row)


def test_clips_elsewhere_are_listed_without_a_transfer(dataset):
    class Elsewhere(ShardReader):
        def is_present(self, _clip):
            return False

        def read_part(self, *_arguments):
            raise AssertionError("the list caused a transfer")

    rows = DatasetSource(dataset, InProcess(), Elsewhere).rows(0, 3)
    assert None not in rows["key"] and rows["title"] == [None] * 3


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with user_error("missing"):
        DatasetSource(tmp_path, InProcess())


def test_warnings_and_measurements_of_any_form_are_listed():
    doubts = [{"code": "w-gain", "detail": "W is low"}, "an old warning", {}, None]
    facts = {
        "quality": {"level_dbfs": -20.5, "echo_s": 0.5, "text": "no", "flag": True},
        "conversion": {"sound": {"doubts": doubts}},
    }
    names = [verdict["name"] for verdict in verdicts_of_facts(facts)]
    assert names == ["echo_s", "w-gain", "doubt", "doubt", "doubt"]
    for strange in ({}, {"quality": []}, {"conversion": {"sound": 3}}):
        assert verdicts_of_facts(strange) == []
