"""The order of training of heads."""

from __future__ import annotations

import pytest

from avsa.evals.training_order import small_batch_notes, training_order


class Clips(list):
    """Two clips of each video of a split."""

    split = "train"

    @property
    def video_ids(self):
        return [str(clip // 2) for clip in self]


@pytest.mark.parametrize(("videos", "size"), [(2, 2), (7, 4), (31, 16), (32, 32), (50, 32)])
def test_batches_of_small_splits_are_powers_of_two(videos, size):
    clips = Clips(range(2 * videos))
    order = training_order(clips, 32, None, 0)
    assert order.batch_size == size
    assert order.steps_per_epoch == 2 * videos // size
    assert len(small_batch_notes(clips, 32, order)) == (videos < 32)
