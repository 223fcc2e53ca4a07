"""Several datasets, read as one."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.errors import user_error
from helpers.small_datasets import FORM, samples_of, write_dataset

from avsa.data.clips import open_datasets, part_numbers, read_in_order
from avsa.data.joined_clips import JoinedClips, left_out_notes, require_equal_forms
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import SequentialOrder
from avsa.data.training_order import TrainingOrder
from yt360.shards.format.reader import ShardReader


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Videos 6 to 9 for training, of which the tiny dataset trains on two and tests two."""
    splits = {"train": [samples_of(range(6, 10), 1)], "test": [samples_of(range(12, 13), 1)]}
    return write_dataset(tmp_path_factory.mktemp("other") / "dataset", splits)


@pytest.fixture
def joined(tiny_dataset, other):
    with closing(open_datasets([tiny_dataset, other], "train")) as clips:
        yield clips


def test_clips_follow_each_other_dataset_by_dataset(joined, tiny_dataset, other):
    first, second = ShardReader(tiny_dataset, "train"), ShardReader(other, "train")
    assert list(joined.keys) == [*first.keys, *second.keys[:2]]
    assert list(joined.video_ids) == [*first.video_ids, *second.video_ids[:2]]
    assert joined.durations_s.tolist() == [*first.durations_s, *second.durations_s[:2]]
    assert part_numbers(joined).tolist() == [0] * 16 + [1] * 2
    assert joined.shard_numbers.tolist() == [0] * 8 + [1] * 8 + [2] * 2
    mixed = [17, 0, 16, 9]
    assert joined.locate(mixed) == [
        *second.locate([1]), *first.locate([0]), *second.locate([0]), *first.locate([9])
    ]  # fmt: skip


def test_test_videos_of_another_dataset_are_not_trained_on(joined, tiny_dataset, other):
    held_out = set(ShardReader(tiny_dataset, "test").video_ids)
    assert held_out == {"video08", "video09"} and not held_out & set(joined.video_ids)
    (note,) = left_out_notes(joined)
    assert "2 of 4 training clips" in note
    with closing(open_datasets([tiny_dataset, other], "test")) as clips:
        assert sorted(clips.video_ids) == ["video08", "video09", "video12"]


def test_each_batch_is_the_same_as_from_each_dataset_alone(joined, tiny_dataset, other):
    config = DataConfig(num_workers=1)
    together = Loader(joined, SequentialOrder(len(joined), 18), config, 0).load(0)
    assert list(together.keys) == list(joined.keys)
    for dataset, rows in ((tiny_dataset, range(16)), (other, range(16, 18))):
        clips = ShardReader(dataset, "train")
        draws = SequentialOrder(len(clips), 18)
        alone = Loader(clips, draws, config, 0).load(0)
        same = [row for row in rows if row - rows[0] == together.positions[row]]
        for row in same:  # the position of a sample is the key of its window
            assert torch.equal(together.luma[row], alone.luma[row - rows[0]])
            assert torch.equal(together.audio[row], alone.audio[row - rows[0]])
        assert bool(same) == (dataset == tiny_dataset)
    assert together.luma[16:].any() and together.audio[16:].any()


def test_no_batch_has_two_clips_of_a_video_of_both_datasets(joined):
    assert {"video06", "video07"} <= set(np.asarray(joined.video_ids)[16:])
    order = TrainingOrder(joined.video_ids, 4, 0, datasets=part_numbers(joined))
    seen = set()
    for step in range(order.steps_per_epoch):
        chosen = [draw.clip for draw in order.batch(step)]
        assert len({joined.video_ids[clip] for clip in chosen}) == 4
        seen |= {int(joined.part_numbers[clip]) for clip in chosen}
    assert seen == {0, 1}


def test_one_dataset_is_read_as_ever(tiny_dataset):
    with closing(open_datasets([tiny_dataset], "train")) as clips:
        assert isinstance(clips, ShardReader)


def test_datasets_with_other_clip_formats_are_refused(tiny_dataset, other):
    require_equal_forms([tiny_dataset, other], [FORM, replace(FORM, crf=30, gop=4)])
    for change in ({"fps": 8}, {"sample_rate_hz": 48000}, {"width": 256, "height": 128}):
        with user_error("conflict", "--data"):
            require_equal_forms([tiny_dataset, other], [FORM, replace(FORM, **change)])


def test_a_dataset_that_is_given_twice_is_refused(tiny_dataset, tmp_path):
    (tmp_path / "link").symlink_to(tiny_dataset)
    with user_error("conflict", "--data"):
        open_datasets([tiny_dataset, tmp_path / "link"], "train")


def test_a_dataset_without_clips_to_train_on_is_refused(tiny_dataset, tmp_path):
    splits = {"train": [samples_of(range(8, 10), 1)], "test": []}
    tested = write_dataset(tmp_path / "tested", splits)
    with user_error("empty", "--data"):
        open_datasets([tiny_dataset, tested], "train")


def test_the_datasets_may_come_from_servers(joined, tiny_dataset, server):
    from avsa.data.remote.mirror import dataset_folder

    mirror = dataset_folder(server.url)
    with closing(open_datasets([tiny_dataset, mirror], "train")) as clips:
        assert isinstance(clips, JoinedClips)
        order = SequentialOrder(len(clips), 4)
        wanted = {int(clips.part_numbers[draw.clip]) for draw in order.batch(0)}
        assert wanted == {0}  # no clip of the mirror: its order must not end here
        in_order = read_in_order(clips, lambda step: [d.clip for d in order.batch(step)], 0)
        in_order.close()
        batches = list(Loader(clips, order, DataConfig(num_workers=1), 0).batches())
    keys = [key for batch in batches for key in batch.keys]
    assert keys == list(clips.keys)
