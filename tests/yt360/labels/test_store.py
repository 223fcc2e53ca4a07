"""Sets of labels beside the clips."""

import json
import threading

import pytest

from yt360.errors import BadItem, UserError
from yt360.labels.maps import encode_labels
from yt360.labels.store import (
    LabelReader,
    LabelSet,
    check_name,
    label_sets,
    label_shard,
)
from yt360.shards.check import check_dataset
from yt360.shards.writer import ShardWriter

LABELS = LabelSet(name="panoptic", fps=4.0, height=8, width=16, made_by={"segmenter": "paint"})


def write_shard(dataset, shard, maps, name="panoptic"):
    path = label_shard(dataset / shard, name)
    with ShardWriter(path) as writer:
        for key, joint in maps.items():
            writer.add(key, {f"{name}.npz": encode_labels(joint)})
    return path


def test_a_reader_finds_labels_by_key_in_part_of_a_dataset(dataset, clips, random_maps):
    keys = list(clips)
    LABELS.create(dataset)
    maps = {keys[3]: random_maps(1)}
    write_shard(dataset, "train/clips-000001.tar", maps)
    reader = LabelReader(dataset, "train")
    assert reader.keys == [keys[3]]
    assert len(reader) == 1
    assert keys[0] not in reader
    assert (reader.read(keys[3]).joint == maps[keys[3]]).all()
    assert reader.info == LABELS
    with pytest.raises(BadItem, match="no-labels"):
        reader.read(keys[0])
    assert LabelReader(dataset, "test").keys == []
    assert list(check_dataset(dataset, quick=True)) == []


def test_sets_of_labels_lie_side_by_side(dataset, clips, random_maps):
    key = next(iter(clips))
    for number, name in enumerate(("panoptic", "released")):
        LabelSet(name=name, fps=4.0, height=8, width=16, made_by={}).create(dataset)
        write_shard(dataset, "train/clips-000000.tar", {key: random_maps(number)}, name)
    assert label_sets(dataset) == ["panoptic", "released"]
    for number, name in enumerate(("panoptic", "released")):
        found = LabelReader(dataset, "train", name).read(key).joint
        assert (found == random_maps(number)).all()
    assert list(check_dataset(dataset, quick=True)) == []


def test_a_reader_serves_many_threads(dataset, clips, random_maps):
    keys = list(clips)[:2]
    LABELS.create(dataset)
    write_shard(dataset, "train/clips-000000.tar", {key: random_maps(0) for key in keys})
    reader = LabelReader(dataset, "train")
    found = []
    threads = [
        threading.Thread(target=lambda key=key: found.append(reader.read(key).joint))
        for key in keys * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all((each == random_maps(0)).all() for each in found)


def test_going_on_with_other_options_is_refused(dataset):
    LABELS.create(dataset)
    LABELS.create(dataset)
    other = LabelSet(name="panoptic", fps=4.0, height=8, width=16, made_by={"segmenter": "truth"})
    with pytest.raises(UserError, match="segmenter is paint there, truth now"):
        other.create(dataset)
    assert LabelSet.load(dataset, "panoptic") == LABELS
    assert [path.name for path in dataset.glob(".*")] == []


def test_missing_and_damaged_descriptions_are_told(dataset):
    with pytest.raises(UserError, match=r"no labels named 'panoptic'.*pseudolabel"):
        LabelReader(dataset, "train")
    LABELS.create(dataset)
    with pytest.raises(UserError, match="did you mean 'panoptic'"):
        LabelReader(dataset, "train", "panoptics")
    path = LabelSet.path(dataset, "panoptic")
    for content in ("{", "[]", json.dumps({"format": "x"}), json.dumps({"format": "yt360-labels"})):
        path.write_text(content)
        with pytest.raises(UserError, match=r"damaged|another format"):
            LabelSet.load(dataset, "panoptic")
    with pytest.raises(UserError, match="is no dataset"):
        LabelSet.load(dataset / "train", "panoptic")


@pytest.mark.parametrize("name", ["clips", "", "A", "a-b", "../x", "a.b", "1a", "a" * 30])
def test_names_that_cannot_be_used(name):
    with pytest.raises(UserError, match="cannot be named"):
        check_name(name)
