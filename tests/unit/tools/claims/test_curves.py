"""Curves of training, and the time to learn."""

from __future__ import annotations

import pytest
from claims.curves import VIEWS, points, time_to

BATCH = {"avc": 10, "avsa": 4}


def records(accuracies, first_stage=2):
    """Return a log with a validation at every second step."""
    for step in range(1, 2 * len(accuracies) + 1):
        line = {"step": step, "stage": "avc" if step <= first_stage else "avsa", "step_s": 30.0}
        yield line | ({VIEWS: accuracies[step // 2 - 1]} if step % 2 == 0 else {})


def test_clips_and_minutes_of_all_stages_count():
    found = points(records([0.2, 0.5, 0.9]), BATCH)
    assert [each.step for each in found] == [2, 4, 6]
    assert [each.clips for each in found] == [20, 28, 36]
    assert [each.minutes for each in found] == [1, 2, 3]


@pytest.mark.parametrize(("target", "step"), [(0.2, 2), (0.5, 4), (0.6, 6), (0.95, None)])
def test_the_first_validation_that_reaches_a_target_counts(target, step):
    found = time_to(points(records([0.2, 0.5, 0.9]), BATCH), target)
    assert (found and found.step) == step
