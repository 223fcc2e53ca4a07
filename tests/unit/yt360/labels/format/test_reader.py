"""Sets of labels beside the clips."""

import errno
import json
import os
import threading

import numpy as np
import pytest
from helpers.errors import bad_item, user_error
from helpers.in_process import InlinePool

from yt360.errors import UserError
from yt360.labels.format import reader as store
from yt360.labels.format import shard_file
from yt360.labels.format.label_set import LabelSet, check_name, label_sets
from yt360.labels.format.maps import encode_labels
from yt360.labels.format.reader import LabelReader
from yt360.labels.format.shard_file import label_shard
from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.writer import ShardWriter

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
    with bad_item("no-labels"):
        reader.read(keys[0])
    assert LabelReader(dataset, "test").keys == []
    assert list(check_dataset(dataset, quick=True, make_pool=InlinePool)) == []


def test_sets_of_labels_lie_side_by_side(dataset, clips, random_maps):
    key = next(iter(clips))
    for number, name in enumerate(("panoptic", "released")):
        LabelSet(name=name, fps=4.0, height=8, width=16, made_by={}).create(dataset)
        write_shard(dataset, "train/clips-000000.tar", {key: random_maps(number)}, name)
    assert label_sets(dataset) == ["panoptic", "released"]
    for number, name in enumerate(("panoptic", "released")):
        found = LabelReader(dataset, "train", name).read(key).joint
        assert (found == random_maps(number)).all()
    assert list(check_dataset(dataset, quick=True, make_pool=InlinePool)) == []


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


def constant(label, shape=(4, 8, 16)):
    return np.full(shape, label, np.uint8)


def test_a_reader_that_is_open_while_clips_are_added_returns_each_clips_own_labels(dataset, clips):
    first, second = list(clips)[:2]
    LABELS.create(dataset)
    write_shard(dataset, "train/clips-000000.tar", {second: constant(2)})
    readers = [LabelReader(dataset, "train") for _ in range(2)]
    assert second in readers[0]  # it has looked into the shard and not read it
    assert (readers[1].read(second).joint == 2).all()
    write_shard(dataset, "train/clips-000000.tar", {first: constant(1), second: constant(2)})
    for reader in readers:
        assert (reader.read(second).joint == 2).all()
    assert (LabelReader(dataset, "train").read(first).joint == 1).all()


def test_a_shard_that_was_closed_is_searched_again_when_another_took_its_place(
    dataset, clips, monkeypatch
):
    keys = list(clips)
    monkeypatch.setattr(store, "MAX_OPEN_SHARDS", 1)
    LABELS.create(dataset)
    write_shard(dataset, "train/clips-000000.tar", {keys[1]: constant(1)})
    write_shard(dataset, "train/clips-000001.tar", {keys[2]: constant(2)})
    reader = LabelReader(dataset, "train")
    for number in (1, 2, 1, 2):
        assert (reader.read(keys[number]).joint == number).all()
    write_shard(dataset, "train/clips-000000.tar", {keys[0]: constant(0), keys[1]: constant(1)})
    for number in (1, 2, 0, 1):
        assert (reader.read(keys[number]).joint == number).all()


def test_offsets_found_while_another_file_took_the_place_are_not_used(dataset, clips, monkeypatch):
    first, second = list(clips)[:2]
    path = write_shard(dataset, "train/clips-000000.tar", {second: constant(2)})
    search, searched = shard_file.member_ranges, []

    def search_too_late(*arguments):
        if not searched:  # the old file is open by now
            maps = {first: constant(1), second: constant(2)}
            write_shard(dataset, "train/clips-000000.tar", maps)
        searched.append(arguments)
        return search(*arguments)

    monkeypatch.setattr(shard_file, "member_ranges", search_too_late)
    shard = shard_file.LabelShardFile(path, "panoptic")
    assert len(searched) == 2
    assert shard.read(second) == encode_labels(constant(2))


def test_a_reader_keeps_a_bounded_number_of_shards_open(dataset, clips, monkeypatch):
    keys = list(clips)
    opened = []

    class Counted(store.LabelShardFile):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            opened.append(self._file)

    monkeypatch.setattr(store, "MAX_OPEN_SHARDS", 1)
    monkeypatch.setattr(store, "LabelShardFile", Counted)
    LABELS.create(dataset)
    for number in range(2):
        shard = f"train/clips-{number:06d}.tar"
        write_shard(dataset, shard, {keys[2 * number]: constant(number)})
    reader = LabelReader(dataset, "train")
    for number in (0, 1, 0):
        reader.read(keys[2 * number])
    assert [file.closed for file in opened] == [True, True, False]
    del reader
    assert all(file.closed for file in opened)


@pytest.mark.parametrize("known", [1, 2])
def test_a_shard_is_searched_again_only_if_many_others_were_read(
    dataset, clips, monkeypatch, known
):
    keys = list(clips)
    search, searched = shard_file.member_ranges, []

    def counted(path, name):
        searched.append(path.name)
        return search(path, name)

    monkeypatch.setattr(shard_file, "member_ranges", counted)
    monkeypatch.setattr(store, "MAX_OPEN_SHARDS", 1)
    monkeypatch.setattr(store, "MAX_KNOWN_SHARDS", known)
    LABELS.create(dataset)
    for number in range(2):
        shard = f"train/clips-{number:06d}.tar"
        write_shard(dataset, shard, {keys[2 * number]: constant(number)})
    reader = LabelReader(dataset, "train")
    for number in (0, 1, 0, 1):
        assert keys[2 * number] in reader
        assert (reader.read(keys[2 * number]).joint == number).all()
    assert len(searched) == (2 if known == 2 else 4)
    assert reader.keys == [keys[0], keys[2]]


def test_a_file_that_its_server_forgot_is_opened_again(dataset, clips, monkeypatch):
    key = next(iter(clips))
    LABELS.create(dataset)
    write_shard(dataset, "train/clips-000000.tar", {key: constant(3)})
    reader = LabelReader(dataset, "train")
    assert key in reader
    pread, calls = os.pread, []

    def forgotten_once(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError(errno.ESTALE, "stale file handle")
        return pread(*arguments)

    monkeypatch.setattr(os, "pread", forgotten_once)
    assert (reader.read(key).joint == 3).all()
    assert len(calls) == 2


def test_labels_that_were_cut_short_under_a_reader_are_a_bad_item(dataset, clips):
    key = next(iter(clips))
    LABELS.create(dataset)
    path = write_shard(dataset, "train/clips-000000.tar", {key: constant(3)})
    reader = LabelReader(dataset, "train")
    assert key in reader
    os.truncate(path, 600)
    with bad_item("labels-damaged"):
        reader.read(key)


def test_readers_in_many_threads_see_each_clips_own_labels_while_shards_are_replaced(
    dataset, clips, monkeypatch
):
    monkeypatch.setattr(store, "MAX_OPEN_SHARDS", 1)
    keys = list(clips)[:4]
    LABELS.create(dataset)

    def write(number, with_first):
        pair = {keys[2 * number + n]: constant(2 * number + n) for n in range(2)}
        if not with_first:
            del pair[keys[2 * number]]
        write_shard(dataset, f"train/clips-{number:06d}.tar", pair)

    for number in range(2):
        write(number, False)
    reader, wrong, stop = LabelReader(dataset, "train"), [], threading.Event()

    def read():
        while not stop.is_set():
            for label in (1, 3):
                try:
                    if not (reader.read(keys[label]).joint == label).all():
                        wrong.append(label)
                except Exception as error:
                    wrong.append(error)
                    return

    threads = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        write(turn % 2, turn // 2 % 2 == 0)
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    assert wrong == []


def test_workers_that_begin_together_describe_one_set(dataset):
    start, failed = threading.Barrier(8, timeout=30), []

    def create():
        try:
            start.wait()
            LABELS.create(dataset)
        except Exception as error:
            failed.append(error)

    for _ in range(10):
        LabelSet.path(dataset, "panoptic").unlink(missing_ok=True)
        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert LabelSet.load(dataset, "panoptic") == LABELS
    assert [path.name for path in dataset.glob(".*")] == []


def test_going_on_with_other_options_is_refused(dataset):
    LABELS.create(dataset)
    LABELS.create(dataset)
    other = LabelSet(name="panoptic", fps=4.0, height=8, width=16, made_by={"segmenter": "truth"})
    with user_error("conflict", key="--name"):
        other.create(dataset)
    assert LabelSet.load(dataset, "panoptic") == LABELS
    assert [path.name for path in dataset.glob(".*")] == []


def test_missing_and_damaged_descriptions_are_told(dataset):
    with user_error("missing", key="--name"):
        LabelReader(dataset, "train")
    LABELS.create(dataset)
    with user_error("missing", key="--name"):
        LabelReader(dataset, "train", "panoptics")
    path = LabelSet.path(dataset, "panoptic")
    for content in ("{", "[]", json.dumps({"format": "x"}), json.dumps({"format": "yt360-labels"})):
        path.write_text(content)
        with pytest.raises(UserError, match=r"damaged|another format"):
            LabelSet.load(dataset, "panoptic")
    with user_error("missing"):
        LabelSet.load(dataset / "train", "panoptic")


@pytest.mark.parametrize("name", ["clips", "", "A", "a-b", "../x", "a.b", "1a", "a" * 30])
def test_names_that_cannot_be_used(name):
    with user_error("invalid", key="--name"):
        check_name(name)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"name": "other"},
        {"fps": 0},
        {"fps": 1e-300},
        {"fps": 10**400},
        {"fps": "4"},
        {"height": -1},
        {"width": 2**40},
        {"made_by": []},
    ],
)
def test_a_description_that_cannot_be_is_told(dataset, change):
    LABELS.create(dataset)
    path = LabelSet.path(dataset, "panoptic")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with user_error("invalid", key=dataset / "labels-panoptic.json"):
        LabelSet.load(dataset, "panoptic")


def test_a_name_that_no_labels_can_have_opens_no_file(dataset):
    with user_error("missing", key="--name"):
        LabelSet.load(dataset, "../../x")


def test_a_shard_of_labels_that_is_a_fifo_or_leads_elsewhere_is_not_opened(dataset, clips):
    LABELS.create(dataset)
    path = dataset / "train" / "panoptic-000000.tar"
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(path)
        with pytest.raises(UserError, match=r"not a regular file|leads out of"):
            LabelReader(dataset, "train").read(next(iter(clips)))
        path.unlink()
